using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Engine;

/// <summary>The engine as the driver sees it. The supervisor starts, ends and watches; what only reads (usage, console log) is done here.</summary>
internal sealed class ContainerEngine(VirtOptions options, TimeProvider time, ILogger<ContainerEngine> logger) : IContainerEngine, IAsyncDisposable
{
    private readonly SupervisorClient _supervisor = new(options, time, logger);
    private readonly ConcurrentDictionary<Guid, LaunchSpec> _specs = new();
    private readonly Lazy<ICgroups> _cgroups = new(() => Cgroups.Cgroups.Detect(Directory.CreateDirectory(options.StateDirectory).FullName));

    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        await _supervisor.ConnectAsync(cancellationToken).ConfigureAwait(false);
        await ListAsync(cancellationToken).ConfigureAwait(false);
    }

    public async Task<EngineContainer> LaunchAsync(LaunchSpec spec, CancellationToken cancellationToken)
    {
        var call = spec.Disks.Count > 0 ? SupervisorCall.LaunchWithDisks : spec.Drive is not null ? SupervisorCall.LaunchWithDrive : SupervisorCall.Launch;
        var answer = await AskAsync(new SupervisorRequest { Sequence = 0, Call = call, Id = spec.Id, Spec = spec }, true, cancellationToken)
            .ConfigureAwait(false);
        _specs[spec.Id] = spec;
        if (spec.RescuedRoot is not null)
        {
            await CheckRescueAsync(spec, cancellationToken).ConfigureAwait(false);
        }

        return answer.Container!;
    }

    public async Task<bool> StopAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken) =>
        (await AskAsync(Request(SupervisorCall.Stop, id) with { Grace = grace }, true, cancellationToken).ConfigureAwait(false)).Willingly;

    public async Task<bool> RebootAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken) =>
        (await AskAsync(Request(SupervisorCall.Reboot, id) with { Grace = grace }, false, cancellationToken).ConfigureAwait(false)).Willingly;

    public Task AttachNicAsync(Guid id, ContainerNic nic, CancellationToken cancellationToken) =>
        AskAsync(Request(SupervisorCall.AttachNic, id) with { Nic = nic }, true, cancellationToken);

    public async Task DetachNicAsync(Guid id, Guid portId, CancellationToken cancellationToken)
    {
        try
        {
            await AskAsync(Request(SupervisorCall.DetachNic, id) with { Port = portId }, true, cancellationToken).ConfigureAwait(false);
        }
        catch (SupervisorOutdatedException)
        {
            // It finds out when the guest reboots, and says in its log that the interface stays away.
        }
    }

    public Task FreezeAsync(Guid id, CancellationToken cancellationToken) => AskAsync(Request(SupervisorCall.Freeze, id), true, cancellationToken);

    public Task UnfreezeAsync(Guid id, CancellationToken cancellationToken) => AskAsync(Request(SupervisorCall.Unfreeze, id), true, cancellationToken);

    public async Task ForgetAsync(Guid id, CancellationToken cancellationToken)
    {
        await AskAsync(Request(SupervisorCall.Forget, id), true, cancellationToken).ConfigureAwait(false);
        _specs.TryRemove(id, out _);
    }

    public async Task<EngineContainer?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        (await ListAsync(id, cancellationToken).ConfigureAwait(false)).SingleOrDefault();

    public Task<IReadOnlyList<EngineContainer>> ListAsync(CancellationToken cancellationToken) => ListAsync(Guid.Empty, cancellationToken);

    public async Task<ContainerUsage> GetUsageAsync(Guid id, CancellationToken cancellationToken)
    {
        var container = await FindAsync(id, cancellationToken).ConfigureAwait(false) ?? throw new ContainerNotFoundException(id);
        if (container.State is not (ContainerState.Running or ContainerState.Frozen))
        {
            return new ContainerUsage();
        }

        var spec = _specs[id];
        return _cgroups.Value.Open(spec.CgroupParent, spec.Name).ReadUsage() with
        {
            Uptime = time.GetUtcNow() - container.StartedAt,
            Ports = [.. spec.Nics.Select(ReadPort)],
        };
    }

    public Task<ExecResult> ExecAsync(Guid id, ExecRequest request, CancellationToken cancellationToken) =>
        ExecCall.RunAsync(_supervisor, id, request, cancellationToken);

    public async Task<byte[]> ReadConsoleLogAsync(Guid id, int maxBytes, CancellationToken cancellationToken) =>
        ConsoleRing.ReadTail((await GetSpecAsync(id, cancellationToken).ConfigureAwait(false)).ConsoleLogPath, maxBytes);

    /// <summary>For one reader: an event is given out once.</summary>
    public async IAsyncEnumerable<ContainerEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var happened in _supervisor.Events.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            yield return happened;
        }
    }

    public ValueTask DisposeAsync() => _supervisor.DisposeAsync();

    private async Task<IReadOnlyList<EngineContainer>> ListAsync(Guid id, CancellationToken cancellationToken)
    {
        var found = new ConcurrentDictionary<Guid, EngineContainer>();
        await _supervisor.AskAsync(Request(SupervisorCall.List, id), true, cancellationToken, item: message =>
        {
            found[message.Container!.Id] = message.Container;
            _specs[message.Container.Id] = message.Spec!;
        }).ConfigureAwait(false);
        return [.. found.Values];
    }

    /// <summary>The supervisor tells what it was given as far as it understands it: one older than rescue has launched the rescue image without the root to be rescued.</summary>
    private async Task CheckRescueAsync(LaunchSpec spec, CancellationToken cancellationToken)
    {
        await ListAsync(spec.Id, cancellationToken).ConfigureAwait(false);
        if (_specs.GetValueOrDefault(spec.Id) is { RescuedRoot: null })
        {
            await StopAsync(spec.Id, TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
            await ForgetAsync(spec.Id, cancellationToken).ConfigureAwait(false);
            throw new SupervisorException(
                "The supervisor that runs is older than this service and cannot rescue. Have it execute the new program by 'kill -USR2', which keeps the containers, and try again.");
        }
    }

    private async Task<LaunchSpec> GetSpecAsync(Guid id, CancellationToken cancellationToken)
    {
        if (!_specs.TryGetValue(id, out var spec))
        {
            await ListAsync(id, cancellationToken).ConfigureAwait(false);
            spec = _specs.GetValueOrDefault(id) ?? throw new ContainerNotFoundException(id);
        }

        return spec;
    }

    /// <summary>Counters of the host's end, seen from the other side.</summary>
    private static PortUsage ReadPort(ContainerNic nic)
    {
        return new PortUsage(
            nic.PortId, nic.MacAddress,
            Read("tx_bytes"), Read("tx_packets"), Read("tx_errors"), Read("tx_dropped"),
            Read("rx_bytes"), Read("rx_packets"), Read("rx_errors"), Read("rx_dropped"));

        long Read(string counter)
        {
            var path = $"/sys/class/net/{nic.HostDevice}/statistics/{counter}";
            return File.Exists(path) ? long.Parse(File.ReadAllText(path), CultureInfo.InvariantCulture) : 0;
        }
    }

    private Task<SupervisorMessage> AskAsync(SupervisorRequest request, bool repeatable, CancellationToken cancellationToken) =>
        _supervisor.AskAsync(request, repeatable, cancellationToken);

    private static SupervisorRequest Request(SupervisorCall call, Guid id) => new() { Sequence = 0, Call = call, Id = id };
}
