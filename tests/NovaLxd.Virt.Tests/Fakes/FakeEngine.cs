using System.Collections.Concurrent;
using System.Threading.Channels;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Fakes;

/// <summary>An engine whose containers are values; they outlive the driver as those of a supervisor do.</summary>
internal sealed class FakeEngine(Journal journal) : IContainerEngine
{
    private Channel<ContainerEvent> _events = Channel.CreateUnbounded<ContainerEvent>();

    public ConcurrentDictionary<Guid, EngineContainer> Containers { get; } = new();

    public ConcurrentDictionary<Guid, LaunchSpec> Launched { get; } = new();

    /// <summary>Whether guests stop when they are asked to.</summary>
    public bool StopsByItself { get; set; } = true;

    public Task ConnectAsync(CancellationToken cancellationToken) => journal.AddAsync("connect", cancellationToken);

    public async Task<EngineContainer> LaunchAsync(LaunchSpec spec, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"launch {spec.Name}", cancellationToken);
        Launched[spec.Id] = spec;
        Set(spec.Id, spec.Name, ContainerState.Running);
        Emit(spec.Id, ContainerEventKind.Started);
        return Containers[spec.Id];
    }

    public async Task<bool> StopAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken)
    {
        var name = Containers[id].Name;
        await journal.AddAsync($"stop {name} {grace.TotalSeconds}", cancellationToken);
        Set(id, name, ContainerState.Stopped, "halted");
        Emit(id, ContainerEventKind.Stopped);
        return StopsByItself && grace > TimeSpan.Zero;
    }

    public async Task<bool> RebootAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"reboot {Containers[id].Name}", cancellationToken);
        return StopsByItself;
    }

    public async Task AttachNicAsync(Guid id, ContainerNic nic, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"attach {nic.HostDevice} {nic.GuestName}", cancellationToken);
        Launched[id] = Launched[id] with { Nics = [.. Launched[id].Nics.Where(other => other.PortId != nic.PortId), nic] };
    }

    public async Task DetachNicAsync(Guid id, Guid portId, CancellationToken cancellationToken)
    {
        var leaving = Launched[id].Nics.FirstOrDefault(nic => nic.PortId == portId);
        await journal.AddAsync($"detach {leaving?.HostDevice ?? "nothing"}", cancellationToken);
        Launched[id] = Launched[id] with { Nics = [.. Launched[id].Nics.Where(nic => nic != leaving)] };
    }

    public async Task FreezeAsync(Guid id, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"freeze {Containers[id].Name}", cancellationToken);
        Set(id, Containers[id].Name, ContainerState.Frozen);
    }

    public async Task UnfreezeAsync(Guid id, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"unfreeze {Containers[id].Name}", cancellationToken);
        Set(id, Containers[id].Name, ContainerState.Running);
    }

    public async Task ForgetAsync(Guid id, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"forget {(Containers.TryGetValue(id, out var known) ? known.Name : "unknown")}", cancellationToken);
        Containers.TryRemove(id, out _);
    }

    public Task<EngineContainer?> FindAsync(Guid id, CancellationToken cancellationToken) => Task.FromResult(Containers.GetValueOrDefault(id));

    public Task<IReadOnlyList<EngineContainer>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<EngineContainer>>([.. Containers.Values]);

    public Task<ContainerUsage> GetUsageAsync(Guid id, CancellationToken cancellationToken) => Task.FromResult(new ContainerUsage { MemoryBytes = 4711 });

    public async Task<ExecResult> ExecAsync(Guid id, ExecRequest request, CancellationToken cancellationToken)
    {
        await journal.AddAsync($"exec {request.Command[0]}", cancellationToken);
        return new ExecResult(3, [], []);
    }

    public Task<byte[]> ReadConsoleLogAsync(Guid id, int maxBytes, CancellationToken cancellationToken) => Task.FromResult("from the engine"u8.ToArray());

    public IAsyncEnumerable<ContainerEvent> WatchAsync(CancellationToken cancellationToken) => _events.Reader.ReadAllAsync(cancellationToken);

    /// <summary>The guest ends without anybody having asked.</summary>
    public void End(Guid id, bool crashed, string words)
    {
        Set(id, Containers[id].Name, crashed ? ContainerState.Crashed : ContainerState.Stopped, words);
        Emit(id, crashed ? ContainerEventKind.Crashed : ContainerEventKind.Stopped, words);
    }

    public void Emit(Guid id, ContainerEventKind kind, string? detail = null) => _events.Writer.TryWrite(new ContainerEvent(id, kind, DateTimeOffset.UnixEpoch, detail));

    /// <summary>The connection to the supervisor breaks; the next Watch has a new one.</summary>
    public void BreakEvents()
    {
        var broken = _events;
        _events = Channel.CreateUnbounded<ContainerEvent>();
        broken.Writer.TryComplete(new IOException("connection lost"));
    }

    private void Set(Guid id, string name, ContainerState state, string? lastExit = null) =>
        Containers[id] = new EngineContainer(id, name, state, state is ContainerState.Running or ContainerState.Frozen ? 4711 : 0, DateTimeOffset.UnixEpoch, lastExit);
}
