using System.Formats.Tar;
using System.Globalization;
using System.Text;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Tests.Engine;

namespace NovaLxd.Virt.Tests;

/// <summary>The whole layer on the real host: image, disk with a limit, ports in a bridge, cgroup limits, a guest with busybox as init.</summary>
[Trait("Lane", "root")]
public sealed class VirtRootTests : ContainerHostFixture
{
    private const string Busybox = "/bin/busybox";
    private const string ImageKey = "busybox";
    private const string Inittab = "::sysinit:/bin/echo the guest has booted\n::respawn:/bin/sleep 1000000\n::shutdown:/bin/echo the guest goes down\n";

    [Fact]
    public async Task AGuestLivesItsWholeLife()
    {
        var spec = Spec("life") with
        {
            RootDiskBytes = 64 << 20,
            Limits = new ResourceLimits { Cpus = 0.5, MemoryBytes = 64 << 20, Pids = 50 },
            Files = [new InjectedFile("/etc/note", "hello"u8.ToArray())],
        };
        var events = Driver.WatchAsync(Token);
        await Driver.CreateAsync(spec, Token);
        await Driver.SetPortsAsync(spec.Id, [Port(1), Port(2)], Token);
        Assert.True(Directory.Exists($"/sys/class/net/{Port(1).HostDevice}"));
        await Driver.StartAsync(spec.Id, Token);

        Assert.Equal("life", await ShellAsync(spec.Id, "hostname"));
        Assert.Equal("hello", await ShellAsync(spec.Id, "cat /etc/note"));
        Assert.Contains(Port(2).MacAddress, await ShellAsync(spec.Id, "cat /sys/class/net/eth1/address"), StringComparison.Ordinal);
        Assert.InRange(long.Parse(await ShellAsync(spec.Id, "df -k / | tail -n 1 | awk '{print $2}'"), CultureInfo.InvariantCulture), 40_000, 65_536);
        var usage = await Driver.GetUsageAsync(spec.Id, Token);
        Assert.Equal((64 << 20, 2), (usage.MemoryLimitBytes, usage.Ports.Count));
        Assert.True(usage.CpuNanoseconds > 0 && usage.Processes > 0 && usage.DiskUsedBytes > 0, usage.ToString());

        await Driver.FreezeAsync(spec.Id, Token);
        Assert.Equal(ContainerState.Frozen, (await Driver.FindAsync(spec.Id, Token))!.State);
        await Driver.UnfreezeAsync(spec.Id, Token);
        Assert.True(await Driver.RebootAsync(spec.Id, EngineHost.Grace, Token));
        Assert.Equal("eth0", await ShellAsync(spec.Id, "ls /sys/class/net | head -n 1"));
        Assert.True(await Driver.StopAsync(spec.Id, EngineHost.Grace, Token));
        Assert.False(Directory.Exists($"/sys/class/net/{Port(1).HostDevice}"));
        var console = Encoding.UTF8.GetString(await Guest.ReadConsoleLogAsync(spec.Id, 10_000, Token));
        Assert.Contains("the guest has booted", console, StringComparison.Ordinal);
        Assert.Contains("the guest goes down", console, StringComparison.Ordinal);

        await Driver.StartAsync(spec.Id, Token);
        Assert.False(await Driver.DeleteImageAsync(ImageKey, Token));
        await Driver.DeleteAsync(spec.Id, Token);
        Assert.True(await Driver.DeleteImageAsync(ImageKey, Token));
        await foreach (var happened in events)
        {
            if (happened.Kind == ContainerEventKind.Deleted)
            {
                break;
            }
        }
    }

    [Fact]
    public async Task ARestartedServiceFindsItsGuestsRunning()
    {
        var spec = Spec("survivor");
        await Driver.CreateAsync(spec, Token);
        await Driver.SetPortsAsync(spec.Id, [Port(1)], Token);
        await Driver.StartAsync(spec.Id, Token);
        var pid = (await Driver.FindAsync(spec.Id, Token))!.InitPid;
        await RestartServiceAsync();
        Assert.Equal((ContainerState.Running, pid), ((await Driver.FindAsync(spec.Id, Token))!.State, (await Driver.FindAsync(spec.Id, Token))!.InitPid));
        Assert.Equal("survivor", await ShellAsync(spec.Id, "hostname"));
    }

    [Fact]
    public async Task AGuestThatHaltsByItselfIsPutAway()
    {
        var spec = Spec("halting");
        await Driver.CreateAsync(spec, Token);
        await Driver.SetPortsAsync(spec.Id, [Port(1)], Token);
        await Driver.StartAsync(spec.Id, Token);
        var events = Driver.WatchAsync(Token);

        // Before init has set itself up, the kernel drops signals that are sent to it from inside (pid_namespaces(7)), and "poweroff" sends one.
        await EngineHost.UntilAsync("its boot", async () =>
            Encoding.UTF8.GetString(await Guest.ReadConsoleLogAsync(spec.Id, 10_000, Token)).Contains("the guest has booted", StringComparison.Ordinal));

        // The guest's end may take the command with it: its exit status says nothing.
        await Guest.ExecAsync(spec.Id, new ExecRequest { Command = ["/sbin/poweroff"] }, Token);
        await foreach (var happened in events)
        {
            if (happened.Kind == ContainerEventKind.Stopped)
            {
                break;
            }
        }

        Assert.False(Directory.Exists($"/sys/class/net/{Port(1).HostDevice}"));
        Assert.Equal(ContainerState.Stopped, (await Driver.FindAsync(spec.Id, Token))!.State);
    }

    [Fact]
    public async Task AGuestThatCannotStartLeavesNothingRunning()
    {
        var spec = Spec("broken") with { Init = ["/no/such/init"] };
        await Driver.CreateAsync(spec, Token);
        await Driver.SetPortsAsync(spec.Id, [Port(1)], Token);
        var failure = await Assert.ThrowsAsync<NoInitException>(() => Driver.StartAsync(spec.Id, Token));
        Assert.Contains("/no/such/init", failure.Message, StringComparison.Ordinal);
        Assert.Equal(ContainerState.Stopped, (await Driver.FindAsync(spec.Id, Token))!.State);
        Assert.True(Directory.Exists($"/sys/class/net/{Port(1).HostDevice}"));
    }

    [Fact]
    public async Task TenGuestsAtOnceAreMadeAndDeleted()
    {
        var specs = Enumerable.Range(0, 10).Select(i => Spec($"many{i}")).ToArray();
        await Task.WhenAll(specs.Select(async spec =>
        {
            await Driver.CreateAsync(spec, Token);
            await Driver.StartAsync(spec.Id, Token);
        }));
        Assert.Equal(10, (await Driver.ListAsync(Token)).Count(container => container.State == ContainerState.Running));
        await Task.WhenAll(specs.Select(spec => Driver.DeleteAsync(spec.Id, Token)));
        Assert.Empty(await Driver.ListAsync(Token));
    }

    [Fact]
    public async Task TheHostIsDescribed()
    {
        var host = await Driver.DescribeHostAsync(Token);
        Assert.True(host is { Processors: > 0, MemoryBytes: > 0, DiskBytes: > 0 }, host.ToString());
        Assert.Contains(host.Abilities, ability => ability.StartsWith("cgroup-", StringComparison.Ordinal));
    }

    private protected override Task ImportAsync() =>
        Driver.ImportImageAsync(new ImageImport { Key = ImageKey, OpenAsync = _ => Task.FromResult<Stream>(MakeImage()) }, Token);

    private protected override async Task RemoveAsync()
    {
        if (Directory.Exists($"/sys/class/net/{Bridge}"))
        {
            await CommandRunner.RunAsync(["ip", "link", "delete", Bridge], CancellationToken.None);
        }
    }

    private string Bridge => $"{_mark}br";

    private ContainerSpec Spec(string name) => new() { Id = Guid.NewGuid(), Name = $"{_mark}-{name}", Hostname = name, ImageKey = ImageKey };

    private PortSpec Port(int number) => new()
    {
        Id = new Guid(number, 0, 0, new byte[8]),
        VifType = "bridge",
        MacAddress = $"fa:16:3e:00:00:0{number}",
        HostDevice = $"{_mark}t{number}",
        Bridge = Bridge,
        CreateBridge = true,
    };

    /// <summary>A root file system as a tar archive: busybox under its applets' names, and an inittab.</summary>
    private static MemoryStream MakeImage()
    {
        Assert.True(File.Exists(Busybox), $"{Busybox} is missing: apt-get install busybox-static");
        var image = new MemoryStream();
        using (var tar = new TarWriter(image, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (var folder in new[] { "bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run" })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, folder + "/") { Mode = (UnixFileMode)0x1ED });
            }

            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "bin/busybox") { Mode = (UnixFileMode)0x1ED, DataStream = new MemoryStream(File.ReadAllBytes(Busybox)) });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "etc/inittab") { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(Inittab)) });
            foreach (var applet in new[] { "sh", "sleep", "cat", "echo", "ls", "hostname", "df", "tail", "head", "awk" })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, $"bin/{applet}") { LinkName = "busybox" });
            }

            foreach (var applet in new[] { "init", "reboot", "poweroff" })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, $"sbin/{applet}") { LinkName = "../bin/busybox" });
            }
        }

        image.Position = 0;
        return image;
    }
}
