using System.Diagnostics;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>Runs a program and fails with what it said when it fails.</summary>
internal static class Command
{
    public static async Task<string> RunAsync(params string[] command)
    {
        var (status, output, errors) = await StartAsync(command);
        Assert.True(status == 0, $"{string.Join(' ', command)}: {errors}");
        return output;
    }

    /// <summary>Whether it succeeded, for what does when something else has come to its end.</summary>
    public static async Task<bool> SucceedsAsync(params string[] command) => (await StartAsync(command)).Status == 0;

    private static async Task<(int Status, string Output, string Errors)> StartAsync(string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true
        })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await errors);
    }
}
