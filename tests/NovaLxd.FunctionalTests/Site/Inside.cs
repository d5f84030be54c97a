using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>What goes on inside a server.</summary>
internal static class Inside
{
    /// <summary>Runs a line of shell as root and returns its exit status.</summary>
    public static async Task<int> InGuestAsync(this ComputeSite site, Server server, string line)
    {
        var result = await site.Services.GetRequiredService<IGuestAccess>().ExecAsync(
            Guid.Parse(server.Uuid), new ExecRequest { Command = ["/bin/sh", "-c", line] }, CancellationToken.None);
        return result.ExitCode;
    }
}
