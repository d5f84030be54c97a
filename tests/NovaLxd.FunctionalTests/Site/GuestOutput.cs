using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>What a command says inside a server.</summary>
internal static class GuestOutput
{
    /// <summary>Runs a line of shell as root, which has to succeed, and returns what it printed.</summary>
    public static async Task<string> ReadInGuestAsync(this ComputeSite site, Server server, string line)
    {
        var result = await site.Services.GetRequiredService<IGuestAccess>().ExecAsync(
            Guid.Parse(server.Uuid), new ExecRequest { Command = ["/bin/sh", "-c", line] }, CancellationToken.None);
        Assert.True(result.ExitCode == 0, $"{line}: {result.ExitCode}, {Encoding.UTF8.GetString(result.StandardError)}");
        return Encoding.UTF8.GetString(result.StandardOutput).Trim();
    }

    /// <summary>The same by the host's own means, for the service that runs as a program.</summary>
    /// <param name="init">Process id of the guest's init.</param>
    public static async Task<string> ReadInGuestAsync(int init, string line) => (await Command.RunAsync(
        "nsenter", "-t", init.ToString(CultureInfo.InvariantCulture), "-U", "-m", "-r", "-S", "0", "-G", "0", "/bin/sh", "-c", line)).Trim();
}
