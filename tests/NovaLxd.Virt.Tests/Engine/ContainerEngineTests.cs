namespace NovaLxd.Virt.Tests.Engine;

[Trait("Lane", "root")]
public sealed class ContainerEngineTests : IAsyncLifetime
{
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task BootsBusyboxAndRunsCommandsInIt()
    {
        var spec = _host.NewSpec("::sysinit:/bin/echo booted as ${HOSTNAME}\n::respawn:/bin/sleep 1000000\n");
        var container = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        Assert.Equal(ContainerState.Running, container.State);
        Assert.Equal(spec.Hostname, await _host.ShellAsync(spec.Id, "hostname"));
        Assert.Equal("uid=0(root) gid=0", await _host.ShellAsync(spec.Id, "id"));
        await EngineHost.UntilAsync("console", async () => (await _host.ConsoleAsync(spec.Id)).Contains("booted", StringComparison.Ordinal));
    }
}
