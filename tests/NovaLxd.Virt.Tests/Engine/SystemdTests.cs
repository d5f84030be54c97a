using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>
/// Debian with systemd. The root file system is made from Debian's packages by mmdebstrap, or taken from NOVALXD_TEST_DEBIAN_ROOT
/// (a folder made by <c>mmdebstrap --variant=minbase --include=systemd-sysv,dbus,iproute2 bookworm</c>).
/// </summary>
[Trait("Lane", "root")]
public sealed class SystemdTests : IAsyncLifetime
{
    /// <summary>What is-system-running says when there is no answer yet: not up, not asked in time, or not through with the boot.</summary>
    private static readonly string[] Unsettled = ["", "offline", "unknown", "initializing", "starting"];

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

        Assert.True(await _host.Engine.RebootAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
        await AssertRunningAsync(spec.Id);
        Assert.True(await _host.Engine.StopAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
        Assert.Equal("the guest shut down", (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.LastExit);
    }

    private async Task AssertRunningAsync(Guid id)
    {
        var text = "";
        await EngineHost.UntilAsync("systemd answers", async () =>
        {
            // Asked anew after a while, should systemd have been about to restart what tells it.
            var command = new ExecRequest { Command = ["systemctl", "is-system-running", "--wait"], Timeout = TimeSpan.FromMinutes(2) };
            text = EngineHost.Text((await _host.Engine.ExecAsync(id, command, CancellationToken.None)).StandardOutput).Trim();
            return !Unsettled.Contains(text);
        });
        Assert.True(
            text == "running",
            $"systemd is {text}:\n{(text == "running" ? "" : await _host.ShellAsync(id, "systemctl --failed --no-legend; journalctl -b -p warning --no-pager | tail -50"))}\n{await _host.ConsoleAsync(id)}");
    }
}
