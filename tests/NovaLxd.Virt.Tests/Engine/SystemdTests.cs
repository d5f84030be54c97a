using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>
/// Debian with systemd. The root file system is made from Debian's packages by mmdebstrap, or taken from NOVALXD_TEST_DEBIAN_ROOT
/// (a folder made by <c>mmdebstrap --variant=minbase --include=systemd-sysv,dbus,iproute2 bookworm</c>).
/// </summary>
[Trait("Lane", "root")]
public sealed class SystemdTests : IAsyncLifetime
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(90);
    private EngineHost _host = null!;
    private string _root = "";

    public async Task InitializeAsync()
    {
        _host = await EngineHost.StartAsync();
        _root = Environment.GetEnvironmentVariable("NOVALXD_TEST_DEBIAN_ROOT") ?? "";
        if (_root.Length == 0)
        {
            Assert.True(File.Exists("/usr/bin/mmdebstrap"), "mmdebstrap is missing: apt-get install mmdebstrap");
            _root = Path.Combine(_host.Folder, "debian");
            await EngineHost.RunAsync("mmdebstrap", "--quiet", "--variant=minbase", "--include=systemd-sysv,dbus,iproute2", "bookworm", _root);
        }
    }

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task ReachesRunningRebootsAndShutsDown()
    {
        var spec = _host.NewSpec(nics: await _host.NewNicAsync());
        spec = spec with { Root = spec.Root with { LowerDirectories = [_root] }, Init = [], Limits = new ResourceLimits { MemoryBytes = 512 << 20, Pids = 500 } };
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await AssertRunningAsync(spec.Id);
        Assert.Equal(spec.Id.ToString("N"), await _host.ShellAsync(spec.Id, "cat /etc/machine-id"));
        Assert.Equal("lxc", await _host.ShellAsync(spec.Id, "systemd-detect-virt"));
        await EngineHost.UntilAsync("a login prompt", async () => (await _host.ConsoleAsync(spec.Id)).Contains("login:", StringComparison.Ordinal));

        await _host.EndByAsync(spec.Id, "systemctl reboot");
        await _host.NextEventAsync(spec.Id, ContainerEventKind.Rebooted);
        await AssertRunningAsync(spec.Id);
        Assert.Equal("2", await _host.ShellAsync(spec.Id, "journalctl --list-boots -q | wc -l"));

        Assert.True(await _host.Engine.RebootAsync(spec.Id, Grace, CancellationToken.None));
        await AssertRunningAsync(spec.Id);
        Assert.True(await _host.Engine.StopAsync(spec.Id, Grace, CancellationToken.None));
        Assert.Equal("the guest shut down", (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.LastExit);
    }

    private async Task AssertRunningAsync(Guid id)
    {
        ExecResult state = null!;
        await EngineHost.UntilAsync("systemd answers", async () =>
        {
            state = await _host.Engine.ExecAsync(id, new ExecRequest { Command = ["systemctl", "is-system-running", "--wait"], Timeout = TimeSpan.FromMinutes(2) }, CancellationToken.None);
            return state.StandardOutput.Length > 0 && !EngineHost.Text(state.StandardOutput).StartsWith("offline", StringComparison.Ordinal);
        });
        var text = EngineHost.Text(state.StandardOutput).Trim();
        Assert.True(
            text == "running",
            $"systemd is {text}:\n{(text == "running" ? "" : await _host.ShellAsync(id, "systemctl --failed --no-legend; journalctl -b -p warning --no-pager | tail -50"))}\n{await _host.ConsoleAsync(id)}");
    }
}
