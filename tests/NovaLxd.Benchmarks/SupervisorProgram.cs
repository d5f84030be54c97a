using System.Runtime.InteropServices;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Benchmarks;

/// <summary>The supervisor as it is shipped: compiled to a native program.</summary>
internal static class SupervisorProgram
{
    /// <summary>Publishes it out of this source tree; takes a minute or two.</summary>
    /// <returns>Path of the program.</returns>
    public static async Task<string> PublishAsync(CancellationToken cancellationToken)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "supervisor");
        Console.WriteLine($"Publishing the supervisor as a native program in {folder} (--supervisor PATH takes one that is there) ...");
        await CommandRunner.RunAsync(
            ["dotnet", "publish", Path.Combine(FindSources(), "src/NovaLxd.Supervisor"), "-c", "Release", "-r", $"linux-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}",
                "-p:PublishAot=true", "-o", folder, "--artifacts-path", Path.Combine(AppContext.BaseDirectory, "supervisor-build")],
            cancellationToken);
        return Path.Combine(folder, "novalxd-supervisor");
    }

    private static string FindSources()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "NovaLxd.sln")))
            {
                return folder;
            }
        }

        throw new InvalidOperationException($"No NovaLxd.sln above {AppContext.BaseDirectory}: run this inside the source tree, or name a supervisor by --supervisor PATH.");
    }
}
