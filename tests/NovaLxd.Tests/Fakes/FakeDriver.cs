using System.Runtime.CompilerServices;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Fakes;

/// <summary>Containers as states in memory; what tests do not need of the driver refuses to be called.</summary>
internal sealed class FakeDriver : IContainerDriver
{
    internal Dictionary<Guid, ContainerState> States { get; } = [];

    /// <summary>Keys of those that are here.</summary>
    internal HashSet<string> Images { get; } = [];

    /// <summary>What was asked of guests, in order: "start", "stop", "reboot".</summary>
    internal List<string> Calls { get; } = [];

    /// <summary>What an export gives.</summary>
    internal Func<Guid, Task<ContainerExport>> Export { get; set; } = _ => throw NotExpected(nameof(ExportAsync));

    /// <summary>Whether guests reboot when they are asked to; otherwise they are killed.</summary>
    internal bool RebootsByItself { get; set; } = true;

    /// <summary>The port that was attached last.</summary>
    internal PortSpec? Attached { get; private set; }

    internal Exception? AttachFailure { get; set; }

    internal Exception? DetachFailure { get; set; }
    /// <summary>What containers are, where a test cares.</summary>
    internal Dictionary<Guid, ContainerSpec> Specs { get; } = [];

    /// <summary>The host, for tests that report its resources.</summary>
    internal HostDescription? Host { get; init; }

    /// <summary>Bytes of files in every container's root.</summary>
    internal long DiskUsedBytes { get; set; }

    /// <summary>Whether ports are plugged without a word.</summary>
    internal bool PlugsPorts { get; init; }

    public Task InitializeAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<HostDescription> DescribeHostAsync(CancellationToken cancellationToken) => Task.FromResult(Host ?? throw NotExpected());

    public Task<ImageInfo?> FindImageAsync(string key, CancellationToken cancellationToken) => Task.FromResult(
        Images.Contains(key) ? new ImageInfo(key, "tar", 0, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch) : null);

    public Task<IReadOnlyList<ImageInfo>> ListImagesAsync(CancellationToken cancellationToken) => throw NotExpected();

    public Task<ImageInfo> ImportImageAsync(ImageImport import, CancellationToken cancellationToken) => throw NotExpected();

    public Task<bool> DeleteImageAsync(string key, CancellationToken cancellationToken) => throw NotExpected();

    public Task CreateAsync(ContainerSpec spec, CancellationToken cancellationToken) => throw NotExpected();

    public Task SetPortsAsync(Guid id, IReadOnlyList<PortSpec> ports, CancellationToken cancellationToken) => PlugsPorts ? Task.CompletedTask : throw NotExpected();

    public Task AttachPortAsync(Guid id, PortSpec port, CancellationToken cancellationToken)
    {
        Calls.Add($"attach {port.HostDevice}");
        Attached = port;
        return AttachFailure is { } failure ? Task.FromException(failure)
            : States.ContainsKey(id) ? Task.CompletedTask : Task.FromException(new ContainerNotFoundException(id));
    }

    public Task<bool> DetachPortAsync(Guid id, Guid portId, CancellationToken cancellationToken)
    {
        Calls.Add($"detach {portId}");
        return DetachFailure is { } failure ? Task.FromException<bool>(failure)
            : States.ContainsKey(id) ? Task.FromResult(true) : Task.FromException<bool>(new ContainerNotFoundException(id));
    }

    public Task StartAsync(Guid id, CancellationToken cancellationToken)
    {
        Calls.Add("start");
        return MoveAsync(id, ContainerState.Running);
    }

    public async Task<bool> StopAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken)
    {
        Calls.Add("stop");
        await MoveAsync(id, ContainerState.Stopped);
        return true;
    }

    public Task<bool> RebootAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken)
    {
        Calls.Add("reboot");
        return Task.FromResult(RebootsByItself);
    }

    public Task RescueAsync(Guid id, string imageKey, CancellationToken cancellationToken) => throw NotExpected();

    public Task UnrescueAsync(Guid id, CancellationToken cancellationToken) => throw NotExpected();
    public Task ResizeAsync(Guid id, ContainerSize size, CancellationToken cancellationToken)
    {
        var wanted = Info(id, States[id]).Spec with { RootDiskBytes = size.RootDiskBytes, Limits = size.Limits, Security = Info(id, States[id]).Spec.Security };
        if (wanted != Info(id, States[id]).Spec)
        {
            Calls.Add($"resize {size.Limits.MemoryBytes >> 20}");
            Specs[id] = States[id] == ContainerState.Stopped ? wanted : throw new ContainerStateException("It runs.");
        }

        return Task.CompletedTask;
    }

    public Task FreezeAsync(Guid id, CancellationToken cancellationToken) => MoveAsync(id, ContainerState.Frozen);

    public Task UnfreezeAsync(Guid id, CancellationToken cancellationToken) => MoveAsync(id, ContainerState.Running);

    public Task<ContainerExport> ExportAsync(Guid id, CancellationToken cancellationToken) => Export(id);

    public Task DeleteAsync(Guid id, CancellationToken cancellationToken) => Task.FromResult(States.Remove(id));

    public Task<ContainerInfo?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        Task.FromResult(States.TryGetValue(id, out var state) ? Info(id, state) : null);

    public Task<IReadOnlyList<ContainerInfo>> ListAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<ContainerInfo>>(States.Select(s => Info(s.Key, s.Value)).ToList());

    public Task<ContainerUsage> GetUsageAsync(Guid id, CancellationToken cancellationToken) =>
        Task.FromResult(DiskUsedBytes > 0 ? new ContainerUsage { DiskUsedBytes = DiskUsedBytes } : throw NotExpected());

    public async IAsyncEnumerable<ContainerEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        yield break;
    }

    private ContainerInfo Info(Guid id, ContainerState state) => new()
    {
        Id = id,
        Name = id.ToString(),
        State = state,
        Spec = Specs.GetValueOrDefault(id) ?? new ContainerSpec { Id = id, Name = id.ToString(), Hostname = "guest", ImageKey = "image" },
    };

    private Task MoveAsync(Guid id, ContainerState state)
    {
        if (!States.ContainsKey(id))
        {
            throw new ContainerNotFoundException(id);
        }

        States[id] = state;
        return Task.CompletedTask;
    }

    private static InvalidOperationException NotExpected([CallerMemberName] string method = "") => new($"{method} was not expected.");
}
