using System.Runtime.InteropServices;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Benchmarks;

/// <summary>Service and supervisor as they are shipped, published out of this source tree: the one precompiled, the other a native program.</summary>
internal static class PublishedPrograms
{
    /// <summary>Benchmarks that run the service as a program.</summary>
    private static readonly string[] OfTheService = ["start", "idle"];

    /// <summary>Publishes what the benchmarks asked for need and the command line does not name; takes a minute or two.</summary>
    public static async Task<BenchmarkOptions> CompleteAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        if (options.Supervisor is null)
        {
            var folder = await PublishAsync("NovaLxd.Supervisor", "--supervisor", ["-p:PublishAot=true"], cancellationToken);
            options = options with { Supervisor = Path.Combine(folder, "novalxd-supervisor") };
        }

        if (options.Service is null && options.Names.Intersect(OfTheService).Any())
        {
            var folder = await PublishAsync("NovaLxd", "--service", ["--self-contained", "false", "-p:PublishReadyToRun=true"], cancellationToken);

            // Where the service looks for it.
            File.Copy(options.Supervisor, Path.Combine(folder, "novalxd-supervisor"), overwrite: true);
            options = options with { Service = Path.Combine(folder, "novalxd") };
        }

        return options;
    }

    /// <returns>The folder of the program.</returns>
    private static async Task<string> PublishAsync(string project, string option, string[] properties, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "published", project);
        Console.WriteLine($"Publishing {project} in {folder} ({option} PATH takes a program that is there) ...");
        await CommandRunner.RunAsync(
            ["dotnet", "publish", Path.Combine(FindSources(), "src", project), "-c", "Release", "-r", $"linux-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}",
                .. properties, "-o", folder, "--artifacts-path", Path.Combine(AppContext.BaseDirectory, "published-build", project)],
            cancellationToken);
        return folder;
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

        throw new InvalidOperationException($"No NovaLxd.sln above {AppContext.BaseDirectory}: run this inside the source tree, or name programs by --supervisor PATH and --service PATH.");
    }
}
