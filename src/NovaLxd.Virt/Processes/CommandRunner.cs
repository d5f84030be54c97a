using System.Diagnostics;
using System.Text;

namespace NovaLxd.Virt.Processes;

/// <summary>A helper program ended with a failure: its command line, status and what it said.</summary>
public sealed class CommandFailedException(IReadOnlyList<string> command, int exitCode, string error)
    : Exception($"{string.Join(' ', command)} exited with status {exitCode}: {error.Trim()}")
{
    public int ExitCode { get; } = exitCode;
}

/// <summary>Runs a helper program of the host (mkfs, mount helpers). The only place that starts processes other than containers.</summary>
internal static class CommandRunner
{
    /// <returns>Standard output.</returns>
    /// <exception cref="CommandFailedException">Exit status other than 0.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The program is not installed.</exception>
    public static async Task<string> RunAsync(IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(command[0])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        foreach (var argument in command.Skip(1))
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["LC_ALL"] = "C.UTF-8";
        using var process = new Process { StartInfo = start };
        process.Start();
        process.StandardInput.Close();
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            return process.ExitCode == 0
                ? await output.ConfigureAwait(false)
                : throw new CommandFailedException(command, process.ExitCode, await error.ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }
}
