using System.CommandLine;
using NovaLxd.Configuration;
using NovaLxd.Hosting;
using NovaLxd.OpenStack.ProviderConfig;

namespace NovaLxd;

/// <summary>The command line: the options nova-compute's init scripts give (<c>--config-file</c>, <c>--config-dir</c>, <c>--log-file</c>, <c>--debug</c>).</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        var files = new Option<string[]>("--config-file") { Description = "Configuration file; may be given several times, the later wins." };
        var folders = new Option<string[]>("--config-dir") { Description = "Folder of which all *.conf are read, by name, after the files." };
        var logFile = new Option<string?>("--log-file") { Description = "File to log to (log_file)." };
        var debug = new Option<bool>("--debug", "-d") { Description = "Log debug messages (debug)." };
        var root = new RootCommand("NovaLxd: an OpenStack compute service that runs instances as system containers.") { files, folders, logFile, debug };
        root.SetAction((result, cancellationToken) =>
        {
            var overrides = new Dictionary<(string, string), string>();
            if (result.GetValue(logFile) is { } path)
            {
                overrides[("DEFAULT", "log_file")] = path;
            }

            if (result.GetValue(debug))
            {
                overrides[("DEFAULT", "debug")] = "true";
            }

            return RunAsync([.. result.GetValue(files) ?? [], .. result.GetValue(folders) ?? []], overrides, cancellationToken);
        });

        var sample = new Command("config-sample", "Print a configuration file with every option, its default and its meaning.");
        sample.SetAction(_ => Console.Out.Write(SampleFile.Render(OptionSections.All)));
        root.Subcommands.Add(sample);
        return await root.Parse(args).InvokeAsync();
    }

    private static async Task<int> RunAsync(
        IReadOnlyList<string> given, Dictionary<(string Section, string Key), string> overrides, CancellationToken cancellationToken)
    {
        try
        {
            var files = ConfigurationSources.Files(given);
            OsloConfig Load() => ConfigurationSources.Load(files, Environment.GetEnvironmentVariable, overrides);
            await using var service = ComputeService.Build(files, Load);
            await service.RunAsync(cancellationToken);
            return 0;
        }
        catch (Exception e) when (e is ConfigurationException or ProviderConfigException)
        {
            await Console.Error.WriteLineAsync("novalxd: " + e.Message);
            return 1;
        }
    }
}
