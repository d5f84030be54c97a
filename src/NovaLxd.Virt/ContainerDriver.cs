using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Host;
using NovaLxd.Virt.Network;
using NovaLxd.Virt.Storage;
using NovaLxd.Virt.Transfers;

namespace NovaLxd.Virt;

/// <summary>
/// The order of things. Create: ids, record, root file system. Start: mount, plug, launch. Stop: end, forget, unmount, unplug. Delete: all of that, root file
/// system, record. Engine, storage and plugs know nothing of each other; what one returns is given to the next here.
/// </summary>
internal sealed partial class ContainerDriver : IContainerDriver, IGuestAccess, IAsyncDisposable
{
    private readonly VirtOptions _options;
    private readonly IContainerEngine _engine;
    private readonly IStorageBackend _storage;
    private readonly HostInspector _host;
    private readonly Func<PortSpec, PortUsage?> _readPort;
    private readonly Func<string, int, byte[]> _readConsoleLog;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    private readonly KeyedLock<Guid> _locks = new();
    private readonly ContainerStore _store;
    private readonly ContainerNames _names;
    private readonly IdRanges _ids;
    private readonly ContainerPorts _ports;
    private readonly PortHotplug _hotplug;
    private readonly ContainerDrives _drives;
    private readonly ContainerRoots _roots;
    private readonly ContainerRelease _release;
    private readonly ContainerExports _exports;
    private readonly ContainerRecovery _recovery;
    private readonly ContainerEvents _events;
    private readonly SeccompFilters _seccomp;

    /// <param name="readPort">Counters of a port as its guest sees them; null when it is not plugged.</param>
    /// <param name="readConsoleLog">The newest bytes of a console log file, for containers the engine has forgotten.</param>
    public ContainerDriver(
        VirtOptions options, IContainerEngine engine, IStorageBackend storage, IPortPlug plug, HostInspector host, IdRanges ids,
        Func<PortSpec, PortUsage?> readPort, Func<string, int, byte[]> readConsoleLog, TimeProvider time, ILogger<ContainerDriver> logger)
    {
        (_options, _engine, _storage, _host, _ids, _readPort, _readConsoleLog, _time, _logger) =
            (options, engine, storage, host, ids, readPort, readConsoleLog, time, logger);
        _store = new ContainerStore(options.StateDirectory, logger);
        _names = new ContainerNames(_store);
        _ports = new ContainerPorts(plug, _store, () => host.BootId, logger);
        _hotplug = new PortHotplug(engine, plug, _store, () => host.BootId, logger);
        _drives = new ContainerDrives(new DriveImage(options.IsoCommand));
        _roots = new ContainerRoots(engine, storage, _store, _locks, logger);
        _release = new ContainerRelease(engine, storage, _ports, _store);
        _exports = new ContainerExports(engine, storage, _store, _locks, time, logger);
        _recovery = new ContainerRecovery(engine, storage, _store, _locks, _release, _exports, ids, logger);
        _seccomp = new SeccompFilters(options.SeccompProfilePath);
        Transfers = new ContainerTransfers(engine, storage, _store, _names, ids, _locks, _release, _recovery, options.ImageMaxBytes, logger);
        _events = new ContainerEvents(engine, ReleaseEndedAsync, RecoverAsync, time, logger);
    }

    public IContainerTransfers Transfers { get; }

    /// (1) host (2) records (3) storage (4) supervisor (5) events, from here on none is missed (6) agreement of all of them (7) what the
    /// host lacks, for the operator's log
    public async Task InitializeAsync(CancellationToken cancellationToken)
    {
        _host.Check();
        _seccomp.Load();
        await _store.LoadAsync(cancellationToken).ConfigureAwait(false);
        foreach (var record in _store.Records)
        {
            if (record.IdMap is { } range)
            {
                _ids.Reserve(range);
            }
        }

        await _storage.InitializeAsync(cancellationToken).ConfigureAwait(false);
        await _engine.ConnectAsync(cancellationToken).ConfigureAwait(false);
        _events.Start();
        await RecoverAsync(cancellationToken).ConfigureAwait(false);
        foreach (var warning in (await DescribeHostAsync(cancellationToken).ConfigureAwait(false)).Warnings)
        {
            _logger.LogWarning("{Warning}", warning);
        }
    }

    public Task<HostDescription> DescribeHostAsync(CancellationToken cancellationToken) => _host.DescribeAsync(_storage, cancellationToken);

    public Task<ImageInfo?> FindImageAsync(string key, CancellationToken cancellationToken) => _storage.FindImageAsync(key, cancellationToken);

    public Task<IReadOnlyList<ImageInfo>> ListImagesAsync(CancellationToken cancellationToken) => _storage.ListImagesAsync(cancellationToken);

    public Task<ImageInfo> ImportImageAsync(ImageImport import, CancellationToken cancellationToken) => _storage.ImportImageAsync(import, cancellationToken);

    public Task<bool> DeleteImageAsync(string key, CancellationToken cancellationToken) => _storage.DeleteImageAsync(key, cancellationToken);

    /// (1) what cannot work is refused (2) name and ids (3) a record that says "half made" (4) root file system and drive (5) a record that says "made"
    public async Task CreateAsync(ContainerSpec spec, CancellationToken cancellationToken)
    {
        ContainerSpecCheck.Check(spec);
        using var held = await _locks.EnterAsync(spec.Id, cancellationToken).ConfigureAwait(false);
        if (_store.Find(spec.Id) is { } existing)
        {
            if (existing.Created)
            {
                throw new ContainerExistsException(spec.Id);
            }

            await _recovery.RemoveHalfMadeAsync(existing, cancellationToken).ConfigureAwait(false);
        }

        await using var undo = new Undo(_logger);
        using var name = _names.Claim(spec.Name, spec.Id);
        var record = new ContainerRecord { Id = spec.Id, Spec = spec.WithoutContent(), IdMap = spec.Security.Privileged ? null : _ids.Allocate() };
        undo.Add("the claim of ids", _ =>
        {
            if (record.IdMap is { } range)
            {
                _ids.Release(range);
            }

            return Task.CompletedTask;
        });
        undo.Add("the record", _ =>
        {
            _store.Remove(spec.Id);
            return Task.CompletedTask;
        });
        await _store.SaveAsync(record, cancellationToken).ConfigureAwait(false);

        // A root file system without a record is left from a record that was lost: nobody else can want it.
        await _storage.DeleteRootfsAsync(spec.Id, cancellationToken).ConfigureAwait(false);
        var root = new RootfsRequest(spec.Id, spec.ImageKey, spec.RootDiskBytes, record.IdMap, spec.Files) { DiskBytes = [.. spec.Disks.Select(disk => disk.SizeBytes)] };
        await _storage.CreateRootfsAsync(root, cancellationToken).ConfigureAwait(false);
        undo.Add("the root file system", token => _storage.DeleteRootfsAsync(spec.Id, token));
        if (spec.Drive is { } drive)
        {
            await _drives.CreateAsync(drive, _store.Folder(spec.Id), cancellationToken).ConfigureAwait(false);
        }

        await _store.SaveAsync(record with { Created = true }, cancellationToken).ConfigureAwait(false);
        undo.Keep();
    }

    public async Task SetPortsAsync(Guid id, IReadOnlyList<PortSpec> ports, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var record = GetRecord(id);
        var situation = record.Situation;
        if (ContainerPorts.AreSame(ports, situation.Ports) && situation.FormerPorts.Count == 0 && (situation.PluggedInBoot is not null || ports.Count == 0))
        {
            return;
        }

        if (await FindRunningAsync(id, cancellationToken).ConfigureAwait(false) is not null)
        {
            foreach (var missing in ports.Where(port => situation.Ports.All(known => known.Id != port.Id)))
            {
                await _hotplug.AttachAsync(GetRecord(id), missing, running: true, cancellationToken).ConfigureAwait(false);
            }

            return;
        }

        if (ports.DistinctBy(port => port.Id).Count() != ports.Count || ports.DistinctBy(port => port.HostDevice).Count() != ports.Count)
        {
            throw new ArgumentException($"The ports of {record.Spec.Name} name a port or a host device twice: {string.Join(", ", ports.Select(port => $"{port.Id} {port.HostDevice}"))}.", nameof(ports));
        }

        await _ports.SetAsync(record, ports, cancellationToken).ConfigureAwait(false);
    }

    public async Task AttachPortAsync(Guid id, PortSpec port, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var running = await FindRunningAsync(id, cancellationToken).ConfigureAwait(false) is not null;
        await _hotplug.AttachAsync(GetRecord(id), port, running, cancellationToken).ConfigureAwait(false);
    }

    public async Task<bool> DetachPortAsync(Guid id, Guid portId, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var running = await FindRunningAsync(id, cancellationToken).ConfigureAwait(false) is not null;
        return await _hotplug.DetachAsync(GetRecord(id), portId, running, cancellationToken).ConfigureAwait(false);
    }

    /// (1) nothing to do when it runs (2) leavings of the last run (3) mount (4) plug (5) launch (6) record
    public async Task StartAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var record = GetRecord(id);
        var known = await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false);
        if (IsRunning(known))
        {
            return;
        }

        if (known is not null)
        {
            record = await _release.ReleaseAsync(record, known, cancellationToken).ConfigureAwait(false);
        }

        await using var undo = new Undo(_logger);
        var (root, rescued) = await _roots.MountAsync(record, undo, cancellationToken).ConfigureAwait(false);
        var nics = await _ports.PlugAllAsync(record, undo, cancellationToken).ConfigureAwait(false);

        var lxcfs = _host.HasLxcfs ? _options.LxcfsPath : null;
        await _engine.LaunchAsync(LaunchSpecs.From(record, root, rescued, nics, _store.Folder(id), lxcfs, _seccomp.Find(record.Spec.Security), _options), cancellationToken).ConfigureAwait(false);
        undo.Add("the launch", async token =>
        {
            await _engine.StopAsync(id, TimeSpan.Zero, token).ConfigureAwait(false);
            await _engine.ForgetAsync(id, token).ConfigureAwait(false);
        });

        record = GetRecord(id);
        var running = record.Situation with { RunningInBoot = _host.BootId, LastExit = null, Crashed = false, FrozenForExport = false };
        await _store.SaveSituationAsync(record, running, cancellationToken).ConfigureAwait(false);
        undo.Keep();
    }

    public async Task<bool> StopAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var record = GetRecord(id);
        var known = await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false);
        var byItself = true;
        if (IsRunning(known))
        {
            byItself = await _engine.StopAsync(id, grace, cancellationToken).ConfigureAwait(false);
            known = await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false);
        }

        await _release.ReleaseAsync(record, known, cancellationToken).ConfigureAwait(false);
        return byItself;
    }

    public async Task<bool> RebootAsync(Guid id, TimeSpan grace, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var running = await GetRunningAsync(id, "rebooted", cancellationToken).ConfigureAwait(false);
        return running.State == ContainerState.Frozen
            ? throw new ContainerStateException($"{running.Name} is frozen and cannot be rebooted: unfreeze it first.")
            : await _engine.RebootAsync(id, grace, cancellationToken).ConfigureAwait(false);
    }

    public async Task FreezeAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        if ((await GetRunningAsync(id, "frozen", cancellationToken).ConfigureAwait(false)).State == ContainerState.Running)
        {
            await _exports.ForgetAsync(GetRecord(id), cancellationToken).ConfigureAwait(false);
            await _engine.FreezeAsync(id, cancellationToken).ConfigureAwait(false);
        }
    }

    public async Task UnfreezeAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        if ((await GetRunningAsync(id, "unfrozen", cancellationToken).ConfigureAwait(false)).State == ContainerState.Frozen)
        {
            await _engine.UnfreezeAsync(id, cancellationToken).ConfigureAwait(false);
        }
    }

    public Task<ContainerExport> ExportAsync(Guid id, CancellationToken cancellationToken) => _exports.ExportAsync(id, cancellationToken);

    /// (1) processes (2) mount and ports (3) root file system (4) record and ids, last: as long as anything is left, the record leads to it
    public async Task DeleteAsync(Guid id, CancellationToken cancellationToken)
    {
        await _exports.CancelAsync(id).ConfigureAwait(false);
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var record = _store.Find(id);
        var known = await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false);
        if (IsRunning(known))
        {
            await _engine.StopAsync(id, TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
            known = await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false);
        }

        if (record is not null)
        {
            await _release.ReleaseForGoodAsync(record, known is not null, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            if (known is not null)
            {
                await _engine.ForgetAsync(id, cancellationToken).ConfigureAwait(false);
            }

            await _storage.UnmountAsync(id, cancellationToken).ConfigureAwait(false);
        }

        await ContainerRoots.DeleteAsync(_storage, id, cancellationToken).ConfigureAwait(false);
        _store.Remove(id);
        if (record?.IdMap is { } range)
        {
            _ids.Release(range);
        }

        if (record is not null)
        {
            _events.Publish(new ContainerEvent(id, ContainerEventKind.Deleted, _time.GetUtcNow()));
        }
    }

    public async Task<ContainerInfo?> FindAsync(Guid id, CancellationToken cancellationToken) => _store.Find(id) is { Created: true } record
        ? Describe(record, await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false))
        : null;

    public async Task<IReadOnlyList<ContainerInfo>> ListAsync(CancellationToken cancellationToken)
    {
        var known = (await _engine.ListAsync(cancellationToken).ConfigureAwait(false)).ToDictionary(container => container.Id);
        return [.. _store.Records.Where(record => record.Created).OrderBy(record => record.Spec.Name, StringComparer.Ordinal)
            .Select(record => Describe(record, known.GetValueOrDefault(record.Id)))];
    }

    public async Task<ContainerUsage> GetUsageAsync(Guid id, CancellationToken cancellationToken)
    {
        var record = GetRecord(id);
        var usage = await FindRunningAsync(id, cancellationToken).ConfigureAwait(false) is null
            ? new ContainerUsage()
            : await _engine.GetUsageAsync(id, cancellationToken).ConfigureAwait(false) with
            {
                Ports = [.. record.Situation.Ports.Select(_readPort).OfType<PortUsage>()],
            };
        return usage with { DiskUsedBytes = await _storage.GetUsedBytesAsync(id, cancellationToken).ConfigureAwait(false) };
    }

    public IAsyncEnumerable<ContainerEvent> WatchAsync(CancellationToken cancellationToken) => _events.WatchAsync(cancellationToken);

    public async Task<byte[]> ReadConsoleLogAsync(Guid id, int maxBytes, CancellationToken cancellationToken)
    {
        GetRecord(id);
        return await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false) is not null
            ? await _engine.ReadConsoleLogAsync(id, maxBytes, cancellationToken).ConfigureAwait(false)
            : _readConsoleLog(Path.Combine(_store.Folder(id), LaunchSpecs.ConsoleLogFile), maxBytes);
    }

    /// <summary>Without the lock: a command may take longer than anybody may wait to stop the container.</summary>
    public async Task<ExecResult> ExecAsync(Guid id, ExecRequest request, CancellationToken cancellationToken)
    {
        var running = await GetRunningAsync(id, "entered", cancellationToken).ConfigureAwait(false);
        return running.State == ContainerState.Frozen
            ? throw new ContainerStateException($"{running.Name} is frozen: a command in it would not run. Unfreeze it first.")
            : await _engine.ExecAsync(id, request, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => _events.DisposeAsync();

    private async Task RecoverAsync(CancellationToken cancellationToken)
    {
        foreach (var ended in await _recovery.RecoverAsync(_host.BootId, cancellationToken).ConfigureAwait(false))
        {
            var kind = ended.Situation.Crashed ? ContainerEventKind.Crashed : ContainerEventKind.Stopped;
            _events.Publish(new ContainerEvent(ended.Id, kind, _time.GetUtcNow(), ended.Situation.LastExit));
        }
    }

    /// <summary>A guest that ended by itself is put away as if it had been stopped.</summary>
    private async Task ReleaseEndedAsync(Guid id, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        if (_store.Find(id) is { } record
            && await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false) is { } known && !IsRunning(known))
        {
            await _release.ReleaseAsync(record, known, cancellationToken).ConfigureAwait(false);
        }
    }

    private ContainerRecord GetRecord(Guid id) => _store.Find(id) is { Created: true } record ? record : throw new ContainerNotFoundException(id);

    private async Task<EngineContainer?> FindRunningAsync(Guid id, CancellationToken cancellationToken) =>
        await _engine.FindAsync(id, cancellationToken).ConfigureAwait(false) is { } known && IsRunning(known) ? known : null;

    private async Task<EngineContainer> GetRunningAsync(Guid id, string what, CancellationToken cancellationToken) =>
        GetRecord(id) is var record && await FindRunningAsync(id, cancellationToken).ConfigureAwait(false) is { } running
            ? running
            : throw new ContainerStateException($"{record.Spec.Name} does not run and cannot be {what}: start it first.");

    private static bool IsRunning(EngineContainer? known) => known is { State: ContainerState.Running or ContainerState.Frozen };

    private static ContainerInfo Describe(ContainerRecord record, EngineContainer? known) => new()
    {
        Id = record.Id,
        Name = record.Spec.Name,
        State = known?.State ?? (record.Situation.Crashed ? ContainerState.Crashed : ContainerState.Stopped),
        Spec = record.Spec,
        Ports = record.Situation.Ports,
        Rescued = record.Rescue is not null,
        InitPid = IsRunning(known) ? known!.InitPid : 0,
        StartedAt = IsRunning(known) ? known!.StartedAt : null,
        LastExit = IsRunning(known) ? null : known?.LastExit ?? record.Situation.LastExit,
    };
}
