using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// Starts a supervisor where none runs: detached from this process, so that it outlives it. (Under systemd it has a unit of its own; what is started from
/// here would share the service's control group and end with it.)
/// </summary>
internal static class SupervisorProcess
{
    private const string Name = "novalxd-supervisor";
    private const string LogName = "supervisor.log";

    /// <summary>What it says goes to supervisor.log in the runtime directory.</summary>
    /// <exception cref="SupervisorException">There is no program, or it could not be started.</exception>
    public static async Task StartAsync(string? path, string runtimeDirectory, string stateDirectory, CancellationToken cancellationToken)
    {
        var program = path ?? Find();
        string[] command = program.EndsWith(".dll", StringComparison.Ordinal) ? ["dotnet", program] : [program];
        Directory.CreateDirectory(runtimeDirectory);
        try
        {
            // setsid --fork: a session of its own and, as its parent ends, whoever reaps orphans as parent.
            await CommandRunner.RunAsync(
                ["/bin/sh", "-c", "log=$1; shift; exec setsid --fork \"$@\" </dev/null >>\"$log\" 2>&1", "sh",
                    Path.Combine(runtimeDirectory, LogName), .. command, "--runtime-dir", runtimeDirectory, "--state-dir", stateDirectory],
                cancellationToken).ConfigureAwait(false);
        }
        catch (CommandFailedException e)
        {
            throw new SupervisorException($"The supervisor {program} could not be started: {e.Message}", e);
        }
    }

    /// <summary>What the one started last said, as a sentence.</summary>
    public static string LastWords(string runtimeDirectory)
    {
        var log = Path.Combine(runtimeDirectory, LogName);
        var line = File.Exists(log) ? File.ReadLines(log).LastOrDefault() : null;
        return line is null ? "See its journal." : $"It said last, in {log}: {line}";
    }

    private static string Find()
    {
        string[] candidates = [Path.Combine(AppContext.BaseDirectory, Name), Path.Combine(AppContext.BaseDirectory, $"{Name}.dll")];
        return candidates.FirstOrDefault(File.Exists)
            ?? throw new SupervisorException($"There is no supervisor at {string.Join(" or ", candidates)}: install it there, or set supervisor_path in section [lxd].");
    }
}
