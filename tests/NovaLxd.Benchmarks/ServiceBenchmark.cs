using System.Globalization;

namespace NovaLxd.Benchmarks;

/// <summary>Looks at the service that runs on this host, if one does: memory, and processor time while nobody asks it for anything.</summary>
internal static class ServiceBenchmark
{
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(10);

    public static async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        // "novalxd" or "dotnet .../novalxd.dll", and not the supervisor, a shell or this.
        var services = ProcessMemory.Find(command => command.Split(' ').Take(2).Any(word => Path.GetFileName(word) is "novalxd" or "novalxd.dll")).ToArray();
        if (services.Length == 0)
        {
            Console.WriteLine("Service: none runs on this host.");
        }

        foreach (var (pid, command) in services)
        {
            var used = ProcessMemory.ProcessorTime(pid);
            await Task.Delay(Watched, cancellationToken);
            used = ProcessMemory.ProcessorTime(pid) - used;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"Service {pid} ({command}): {ProcessMemory.Of(pid)}; processor {used / Watched:P2} of a core over {Watched.TotalSeconds:F0} s"));
        }

        return true;
    }
}
