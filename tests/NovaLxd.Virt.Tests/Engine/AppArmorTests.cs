namespace NovaLxd.Virt.Tests.Engine;

/// <summary>Containers on a host with AppArmor that has loaded <c>etc/apparmor.d/novalxd-container</c>: the emulated one of the hostvm lane.</summary>
[Trait("Lane", "hostvm")]
public sealed class AppArmorTests : IAsyncLifetime
{
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task InitAndCommandsRunUnderTheProfile()
    {
        var spec = _host.NewSpec();
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        foreach (var process in new[] { "1", "self" })
        {
            Assert.Equal("novalxd-container (enforce)", await _host.ShellAsync(spec.Id, $"cat /proc/{process}/attr/current"));
        }
    }

    /// <summary>The host's root that is in one can undo the engine's read-only mounts, and is still kept from the kernel's settings.</summary>
    [Theory]
    [InlineData("mount -o remount,rw /proc/sys && cat /proc/sys/kernel/printk > /proc/sys/kernel/printk", "printk: Permission denied")]
    [InlineData("mount -o remount,rw /proc/sys && cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness", "swappiness: Permission denied")]
    [InlineData("mount -t debugfs none /tmp", "mounting none on /tmp failed: Permission denied")]
    [InlineData("mount -t securityfs none /tmp", "mounting none on /tmp failed: Permission denied")]
    public async Task APrivilegedContainerIsKeptFromTheHostsKernel(string command, string refusal)
    {
        var spec = _host.NewPrivilegedSpec();
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        var result = await _host.Engine.ExecAsync(spec.Id, new ExecRequest { Command = ["/bin/sh", "-c", command] }, CancellationToken.None);
        Assert.Contains(refusal, EngineHost.Text(result.StandardError), StringComparison.Ordinal);
        Assert.NotEqual(0, result.ExitCode);
    }

    [Theory]
    [InlineData("cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname")]
    [InlineData("cat /proc/sys/kernel/sem > /proc/sys/kernel/sem")]
    [InlineData("cat /proc/sys/kernel/msgmax > /proc/sys/kernel/msgmax")]
    [InlineData("cat /proc/sys/fs/mqueue/msg_max > /proc/sys/fs/mqueue/msg_max")]
    public async Task SettingsOfItsNamespacesAreItsOwn(string command)
    {
        var spec = _host.NewPrivilegedSpec();
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await _host.ShellAsync(spec.Id, $"mount -o remount,rw /proc/sys && {command}");
    }
}
