using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt;

/// <summary>
/// Exports of containers. The guest is frozen for the instant at which its files are taken, and only then: a state on disk says so, by which the next
/// start of the service thaws what a killed one left frozen.
/// </summary>
internal sealed partial class ContainerExports(
    IContainerEngine engine, IStorageBackend storage, ContainerStore store, KeyedLock<Guid> locks, TimeProvider time, ILogger logger)
{
    /// <summary>Thawing must not end with who asked for the export.</summary>
    private static readonly TimeSpan ThawLimit = TimeSpan.FromMinutes(2);

    private readonly ConcurrentDictionary<Guid, CancellationTokenSource> _deletions = new();

    /// <exception cref="ContainerNotFoundException">It is not here, or was deleted before its files were taken.</exception>
    public async Task<ContainerExport> ExportAsync(Guid id, CancellationToken cancellationToken)
    {
        var deletion = _deletions.GetOrAdd(id, static _ => new CancellationTokenSource());
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deletion.Token);
        try
        {
            using var held = await locks.EnterAsync(id, either.Token).ConfigureAwait(false);
            if (store.Find(id) is not { Created: true } record)
            {
                throw new ContainerNotFoundException(id);
            }

            var frozen = TimeSpan.Zero;
            var capture = await storage.CaptureRootfsAsync(
                id, async token => await FreezeAsync(record, lasted => frozen = lasted, token).ConfigureAwait(false), either.Token).ConfigureAwait(false);
            LogTaken(record.Id, record.Spec.Name, frozen.TotalMilliseconds, capture.UnpackedBytes);
            return new ContainerExport(capture.Open(), capture.UnpackedBytes, frozen, capture.DisposeAsync);
        }
        catch (OperationCanceledException) when (deletion.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ContainerNotFoundException(id);
        }
        finally
        {
            _deletions.TryRemove(KeyValuePair.Create(id, deletion));
        }
    }

    /// <summary>The container is being deleted: nobody waits for its files to be copied first.</summary>
    public async Task CancelAsync(Guid id)
    {
        if (_deletions.TryRemove(id, out var deletion))
        {
            await deletion.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Thaws what an export of a killed service has left frozen; under the container's lock.</summary>
    public async Task<ContainerRecord> RecoverAsync(ContainerRecord record, EngineContainer known, CancellationToken cancellationToken)
    {
        if (!record.Situation.FrozenForExport)
        {
            return record;
        }

        if (known.State == ContainerState.Frozen)
        {
            LogLeftFrozen(record.Id, record.Spec.Name);
            await engine.UnfreezeAsync(record.Id, cancellationToken).ConfigureAwait(false);
        }

        return await ForgetAsync(record, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>From here on a freeze of the container is its user's; under the container's lock.</summary>
    public async Task<ContainerRecord> ForgetAsync(ContainerRecord record, CancellationToken cancellationToken) => record.Situation.FrozenForExport
        ? await store.SaveSituationAsync(record, record.Situation with { FrozenForExport = false }, cancellationToken).ConfigureAwait(false)
        : record;

    /// <summary>Freezes a guest that runs. One that does not, or that its user has paused, writes nothing, and stays as it is.</summary>
    private async Task<IAsyncDisposable> FreezeAsync(ContainerRecord record, Action<TimeSpan> lasted, CancellationToken cancellationToken)
    {
        var thaw = new Undo(logger, ThawLimit);
        if ((await engine.FindAsync(record.Id, cancellationToken).ConfigureAwait(false))?.State != ContainerState.Running)
        {
            return thaw;
        }

        try
        {
            // Before it is true, so that it is never untrue.
            record = await store.SaveSituationAsync(record, record.Situation with { FrozenForExport = true }, cancellationToken).ConfigureAwait(false);
            var begun = time.GetTimestamp();
            thaw.Add("the freeze of the guest", async token =>
            {
                // When the supervisor is away the mark stays: once it is back, the recovery thaws by it.
                await engine.UnfreezeAsync(record.Id, token).ConfigureAwait(false);
                lasted(time.GetElapsedTime(begun));
                await ForgetAsync(record, token).ConfigureAwait(false);
            });
            await engine.FreezeAsync(record.Id, cancellationToken).ConfigureAwait(false);
            return thaw;
        }
        catch
        {
            await thaw.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Took the files of container {Container} ({Name}); it was frozen for {Milliseconds:0.0} ms; they take {Bytes} bytes as an image")]
    private partial void LogTaken(Guid container, string name, double milliseconds, long bytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Container {Container} ({Name}) was left frozen by an export that was cut short; it is thawed")]
    private partial void LogLeftFrozen(Guid container, string name);
}
