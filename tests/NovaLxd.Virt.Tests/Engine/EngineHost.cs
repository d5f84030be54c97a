using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Network;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>
/// A folder, a supervisor and an engine of a test's own, and busybox root file systems to launch. Disposal stops everything and checks that the
/// host is as it was.
/// </summary>
internal sealed class EngineHost : IAsyncDisposable
{
    /// <summary>
    /// How long a guest that obeys is given to end by itself before it is killed, and a command inside before it is: as long as an emulated and busy machine takes.
    /// Nothing is gained by less, as nobody waits for it where all is well.
    /// </summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(5);

    private const string Busybox = "/bin/busybox";
    private readonly HostResources _before;
    private readonly List<string> _links = [];
    private int _containers;

    private EngineHost(string mark)
    {
        Mark = mark;
        Folder = Path.Combine(Path.GetTempPath(), mark);
        _before = HostResources.Take(mark);
        Options = new VirtOptions
        {
            StateDirectory = Path.Combine(Folder, "state"),
            RuntimeDirectory = Path.Combine(Folder, "run"),
            SupervisorPath = SupervisorPath,
            CgroupParent = mark,
        };
        Engine = new ContainerEngine(Options, TimeProvider.System, NullLogger<ContainerEngine>.Instance);
    }

    /// <summary>The program under test: this assembly's own copy, or another (the native one) by environment.</summary>
    public static string SupervisorPath =>
        Environment.GetEnvironmentVariable("NOVALXD_TEST_SUPERVISOR") ?? Path.Combine(AppContext.BaseDirectory, "novalxd-supervisor.dll");

    /// <summary>In every name that is made: folder, cgroup, links.</summary>
    public string Mark { get; }

    public string Folder { get; }

    public VirtOptions Options { get; }

    public ContainerEngine Engine { get; set; }

    public static async Task<EngineHost> StartAsync()
    {
        RootLane.Require();
        Assert.True(File.Exists(Busybox), $"{Busybox} is missing: apt-get install busybox-static");
        var host = new EngineHost($"nlt{Guid.NewGuid().ToString("N")[..6]}");
        Directory.CreateDirectory(host.Folder);
        await host.Engine.ConnectAsync(CancellationToken.None);
        return host;
    }

    /// <summary>A second engine for the same supervisor, as after a restart of the service.</summary>
    public ContainerEngine NewEngine() => new(Options, TimeProvider.System, NullLogger<ContainerEngine>.Instance);

    /// <param name="inittab">What busybox init runs; null: nothing but a sleeping process.</param>
    /// <param name="init">Command line in place of busybox init.</param>
    public LaunchSpec NewSpec(string? inittab = null, IReadOnlyList<string>? init = null, params ContainerNic[] nics)
    {
        var number = ++_containers;
        var map = new IdMap((uint)(2_000_000 + (number * 65536)), 65536);
        return new LaunchSpec
        {
            Id = Guid.NewGuid(),
            Name = $"{Mark}-{number}",
            Hostname = $"guest{number}",
            Root = MakeRoot(number, inittab ?? "::respawn:/bin/sleep 1000000\n", map),
            IdMap = map,
            Init = init ?? ["/sbin/init"],
            ConsoleLogPath = Path.Combine(Folder, $"console-{number}.log"),
            ConsoleLogBytes = 16 * 1024,
            CgroupParent = Mark,
            Limits = new ResourceLimits { MemoryBytes = 256 << 20, Pids = 200 },
            Nics = nics,
        };
    }

    /// <summary>A container whose root is the host's.</summary>
    public LaunchSpec NewPrivilegedSpec()
    {
        var spec = NewSpec();
        NovaLxd.Virt.Cgroups.CgroupFile.ChangeOwner(spec.Root.UpperDirectory, 0);
        NovaLxd.Virt.Cgroups.CgroupFile.ChangeOwner(spec.Root.WorkDirectory, 0);
        return spec with { IdMap = null, Security = new SecuritySpec { Privileged = true } };
    }

    /// <summary>A veth pair whose host end is up; both ends carry the mark.</summary>
    public async Task<ContainerNic> NewNicAsync(string guestName = "eth0")
    {
        var (host, peer) = ($"{Mark}h{_links.Count}", $"{Mark}p{_links.Count}");
        _links.Add(host);
        await RunAsync("ip", "link", "add", host, "type", "veth", "peer", "name", peer);
        await RunAsync("ip", "link", "set", host, "up");
        return new ContainerNic(Guid.NewGuid(), host, peer, guestName, $"fa:16:3e:00:00:{_links.Count:x2}", 1450);
    }

    /// <summary>What a command run by a shell inside says.</summary>
    public async Task<string> ShellAsync(Guid id, string command)
    {
        var result = await Engine.ExecAsync(id, new ExecRequest { Command = ["/bin/sh", "-c", command], Timeout = Grace }, CancellationToken.None);
        Assert.True(result.ExitCode == 0, $"'{command}' ended with {result.ExitCode}: {Text(result.StandardError)}{Text(result.StandardOutput)}");
        return Text(result.StandardOutput).TrimEnd('\n');
    }

    /// <summary>Runs a command by which the guest ends or reboots. That end may take the command with it, so its exit status says nothing.</summary>
    public async Task EndByAsync(Guid id, string command)
        => await Engine.ExecAsync(id, new ExecRequest { Command = ["/bin/sh", "-c", command], Timeout = Grace }, CancellationToken.None);

    /// <summary>
    /// Waits until busybox init runs its first process. From then on it takes signals: before, the kernel drops those that are sent to it from inside
    /// (pid_namespaces(7)), and a "reboot" would be lost.
    /// </summary>
    public async Task BootedAsync(Guid id) =>
        await UntilAsync("init's child", async () => (await Engine.GetUsageAsync(id, CancellationToken.None)).Processes >= 2);

    public async Task<string> ConsoleAsync(Guid id) => Text(await Engine.ReadConsoleLogAsync(id, int.MaxValue, CancellationToken.None));

    public static string Text(byte[] bytes) => System.Text.Encoding.UTF8.GetString(bytes);

    /// <summary>Waits until something is so, and fails with the description when it does not become so.</summary>
    public static async Task UntilAsync(string what, Func<Task<bool>> condition)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begun) < Grace, $"Waited for {Grace} in vain: {what}");
            await Task.Delay(20);
        }
    }

    public async Task<ContainerEvent> NextEventAsync(Guid id, ContainerEventKind kind)
    {
        using var limit = new CancellationTokenSource(Grace);
        await foreach (var happened in Engine.WatchAsync(limit.Token))
        {
            if (happened.Id == id && happened.Kind == kind)
            {
                return happened;
            }
        }

        throw new InvalidOperationException("The events ended.");
    }

    /// <summary>Process id of the supervisor of this host's runtime directory.</summary>
    public int FindSupervisor() => RunningSupervisor.Find(Options.RuntimeDirectory) ?? throw new InvalidOperationException("No supervisor runs.");

    public static async Task<string> RunAsync(params string[] command) => await Processes.CommandRunner.RunAsync(command, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        foreach (var container in await Engine.ListAsync(CancellationToken.None))
        {
            await Engine.StopAsync(container.Id, TimeSpan.Zero, CancellationToken.None);
            await Engine.ForgetAsync(container.Id, CancellationToken.None);
        }

        await Engine.DisposeAsync();
        var supervisor = FindSupervisor();
        await RunAsync("kill", "-TERM", $"{supervisor}");
        await ProcessEnd.WaitAsync(supervisor);
        foreach (var link in _links.Where(link => Directory.Exists($"/sys/class/net/{link}")))
        {
            await RunAsync("ip", "link", "delete", link);
        }

        NovaLxd.Virt.Cgroups.Cgroups.Detect().RemoveParent(Mark);
        Directory.Delete(Folder, recursive: true);
        await _before.AssertUnchangedAsync();
    }

    private RootfsMount MakeRoot(int number, string inittab, IdMap map)
    {
        var lower = Path.Combine(Folder, $"lower-{number}");
        foreach (var folder in new[] { "bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run" })
        {
            Directory.CreateDirectory(Path.Combine(lower, folder));
        }

        File.Copy(Busybox, Path.Combine(lower, "bin/busybox"));
        foreach (var applet in new[] { "sh", "sleep", "cat", "echo", "ls", "ps", "id", "true", "false", "mount", "kill", "hostname", "stty", "grep", "head", "env", "dd", "seq" })
        {
            File.CreateSymbolicLink(Path.Combine(lower, "bin", applet), "busybox");
        }

        foreach (var applet in new[] { "init", "reboot", "poweroff", "halt", "ip" })
        {
            File.CreateSymbolicLink(Path.Combine(lower, "sbin", applet), "../bin/busybox");
        }

        File.WriteAllText(Path.Combine(lower, "etc/inittab"), inittab);
        File.WriteAllText(Path.Combine(lower, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
        var (upper, work) = (Path.Combine(Folder, $"upper-{number}"), Path.Combine(Folder, $"work-{number}"));
        foreach (var folder in new[] { upper, work })
        {
            Directory.CreateDirectory(folder);
            NovaLxd.Virt.Cgroups.CgroupFile.ChangeOwner(folder, map.HostBase);
        }

        return new RootfsMount([lower], upper, work);
    }
}
