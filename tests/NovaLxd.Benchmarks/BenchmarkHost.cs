using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Benchmarks;

/// <summary>State folder, bridge, cgroup parent and supervisor of a benchmark's own, and the driver over them as the service has it.</summary>
internal sealed class BenchmarkHost : IAsyncDisposable
{
    /// <summary>In every name that is made on the host.</summary>
    public static readonly string Mark = string.Create(CultureInfo.InvariantCulture, $"nlb{Environment.ProcessId}");

    public const string ImageKey = "busybox";
    private readonly ServiceProvider _services;
    private int _containers;

    private BenchmarkHost(VirtOptions options)
    {
        Options = options;
        _services = new ServiceCollection().AddLogging(logging => logging.SetMinimumLevel(LogLevel.Warning).AddConsole())
            .AddSingleton(options).AddVirt().BuildServiceProvider();
        Driver = _services.GetRequiredService<IContainerDriver>();
    }

    /// <summary>Limits of every container measured; the floor writes the same.</summary>
    public static ResourceLimits Limits { get; } = new() { Cpus = 1, CpuShares = 1024, MemoryBytes = 512L << 20, Pids = 1000 };

    public static string Folder => Path.Combine(Path.GetTempPath(), Mark);

    public static string Bridge => $"{Mark}br";

    public VirtOptions Options { get; }

    public IContainerDriver Driver { get; }

    public int SupervisorPid => ProcessMemory.Find(command => command.Contains($"--runtime-dir {Options.RuntimeDirectory} ", StringComparison.Ordinal)).Single().Pid;

    /// <summary>Below this the image's root, the lower layer of every container.</summary>
    public string ImageRoot => Directory.EnumerateDirectories(Path.Combine(Options.StateDirectory, "images"), "*", SearchOption.AllDirectories)
        .First(folder => File.Exists(Path.Combine(folder, "sbin/init")));

    public static async Task<BenchmarkHost> StartAsync(BenchmarkOptions options, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new InvalidOperationException("Containers are launched here: run this as root.");
        }

        Directory.CreateDirectory(Folder);
        await CommandRunner.RunAsync(["ip", "link", "add", Bridge, "type", "bridge"], cancellationToken);
        await CommandRunner.RunAsync(["ip", "link", "set", Bridge, "up"], cancellationToken);
        var host = new BenchmarkHost(new VirtOptions
        {
            StateDirectory = Path.Combine(Folder, "state"),
            RuntimeDirectory = Path.Combine(Folder, "run"),
            SupervisorPath = options.Supervisor,
            CgroupParent = Mark,
        });
        await host.Driver.InitializeAsync(cancellationToken);
        await host.Driver.ImportImageAsync(
            new ImageImport { Key = ImageKey, OpenAsync = _ => Task.FromResult<Stream>(new MemoryStream(BusyboxImage.Build())) }, cancellationToken);
        return host;
    }

    /// <param name="diskBytes">Root disk; null: a folder of the host's file system.</param>
    public ContainerSpec NewSpec(long? diskBytes)
    {
        var number = Interlocked.Increment(ref _containers);
        return new ContainerSpec
        {
            Id = Guid.NewGuid(),
            Name = $"{Mark}-{number}",
            Hostname = $"guest{number}",
            ImageKey = ImageKey,
            RootDiskBytes = diskBytes,
            Limits = Limits,
            Init = ["/sbin/init"],
        };
    }

    public PortSpec NewPort()
    {
        var id = Guid.NewGuid();
        var bytes = id.ToByteArray();
        return new PortSpec
        {
            Id = id,
            VifType = "bridge",
            MacAddress = $"fa:16:3e:{bytes[0]:x2}:{bytes[1]:x2}:{bytes[2]:x2}",
            HostDevice = $"tap{id.ToString()[..11]}",
            Bridge = Bridge,
            Mtu = 1450,
        };
    }

    /// <summary>Ends the supervisor and removes everything; says what is left.</summary>
    /// <returns>False: something is left.</returns>
    public async Task<bool> TearDownAsync()
    {
        await using (this)
        {
            foreach (var container in await Driver.ListAsync(CancellationToken.None))
            {
                await Driver.DeleteAsync(container.Id, CancellationToken.None);
            }
        }

        var ports = (await CommandRunner.RunAsync(["ip", "-o", "link", "show", "master", Bridge], CancellationToken.None)).Trim();
        await CommandRunner.RunAsync(["ip", "link", "delete", Bridge], CancellationToken.None);
        Virt.Cgroups.Cgroups.Detect().RemoveParent(Mark);
        Directory.Delete(Folder, recursive: true);
        string[] left = [.. Leavings.Find(Mark), .. ports.Length > 0 ? [$"ports {ports}"] : Array.Empty<string>()];
        Console.WriteLine(left.Length == 0 ? "  nothing left: mounts, links, cgroups, loop devices, processes" : $"  LEFT ON THE HOST:\n    {string.Join("\n    ", left)}");
        return left.Length == 0;
    }

    /// <summary>The driver, then its supervisor.</summary>
    public async ValueTask DisposeAsync()
    {
        var supervisors = ProcessMemory.Find(command => command.Contains($"--runtime-dir {Options.RuntimeDirectory} ", StringComparison.Ordinal)).ToArray();
        await _services.DisposeAsync();
        foreach (var (pid, _) in supervisors)
        {
            await CommandRunner.RunAsync(["/bin/sh", "-c", "kill -TERM \"$0\"; while kill -0 \"$0\" 2>/dev/null; do sleep 0.05; done", pid.ToString(CultureInfo.InvariantCulture)], CancellationToken.None);
        }
    }
}
