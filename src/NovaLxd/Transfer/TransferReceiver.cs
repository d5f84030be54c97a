using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt;

namespace NovaLxd.Transfer;

/// <summary>
/// Takes containers from other hosts. Nothing is taken that the control plane does not say is on its way here, and only from the host it says it comes from. What
/// was begun and is not heard of any more is taken away after a while.
/// </summary>
internal sealed partial class TransferReceiver(
    IContainerTransfers transfers, IContainerDriver driver, IIncomingMoves moves, TransferOptions options, bool allowPrivileged, TransferMetrics metrics,
    TimeProvider time, ILogger<TransferReceiver> logger) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Guid, Arrival> _arrivals = new();
    private readonly KeyedLock<Guid> _locks = new();
    private readonly SemaphoreSlim _slots = new(options.TransferLimit, options.TransferLimit);
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Longer than any sender tries without progress.</summary>
    private TimeSpan IdleLimit => options.TransferRetryTime * 2;

    /// <summary>(1) wanted (2) acceptable (3) what has come of it already (4) not too many (5) what an earlier move left (6) room and files.</summary>
    /// <param name="id">Of the instance.</param>
    /// <param name="peer">The hosts that the peer's certificate stands for.</param>
    /// <param name="manifest">What is to come.</param>
    /// <param name="cancellationToken">The peer has gone.</param>
    /// <exception cref="TransferDeniedException"/>
    /// <exception cref="TransferBusyException"/>
    /// <exception cref="VirtException">It cannot be taken.</exception>
    public async Task<ArrivalStatus> BeginAsync(Guid id, IReadOnlyList<string> peer, ContainerManifest manifest, CancellationToken cancellationToken)
    {
        // (1)
        var source = await AuthorizeAsync(id, peer, cancellationToken);

        // (2)
        if (manifest.Spec.Id != id)
        {
            throw new TransferRefusedException($"The manifest is that of container {manifest.Spec.Id}, not of {id}.");
        }

        if (manifest.Spec.Security.Privileged && !allowPrivileged)
        {
            throw new TransferRefusedException("The container is privileged, which this host does not allow ([lxd] allow_privileged).");
        }

        // (3)
        using var held = await _locks.EnterAsync(id, cancellationToken);
        if (_arrivals.TryGetValue(id, out var known))
        {
            if (known.Source == source && known.Container.Manifest.IsOfSame(manifest) && known.Completion is not { IsFaulted: true })
            {
                known.LastHeard = time.GetTimestamp();
                await AddImageAsync(known, manifest, cancellationToken);
                return await TellAsync(known, cancellationToken);
            }

            await EndAsync(id, known);
        }

        // (4)
        if (!_slots.Wait(0, CancellationToken.None))
        {
            throw new TransferBusyException($"{options.TransferLimit} containers are arriving already ([lxd] transfer_limit).");
        }

        try
        {
            // (5) The control plane says that the instance is on the other host.
            if (await driver.FindAsync(id, cancellationToken) is { } stale)
            {
                await RemoveAsync(stale, source, cancellationToken);
            }

            // (6)
            var arrival = new Arrival(source, await transfers.ExpectAsync(manifest, cancellationToken)) { LastHeard = time.GetTimestamp() };
            _arrivals[id] = arrival;
            metrics.Begun("in");
            LogBegun(id, manifest.Spec.Name, source, manifest.Parts.Sum(p => p.DataBytes) >> 20);
            return await TellAsync(arrival, cancellationToken);
        }
        catch
        {
            _slots.Release();
            throw;
        }
    }

    /// <summary>Null: nothing has begun, or the data are not beyond what has come, which the status tells.</summary>
    public async Task<(bool Taken, ArrivalStatus Status)?> WriteAsync(
        Guid id, IReadOnlyList<string> peer, string part, long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (Find(id, peer) is not { } arrival)
        {
            return null;
        }

        try
        {
            var taken = await arrival.Container.WriteAsync(part, offset, data, cancellationToken);
            metrics.Moved("in", taken ? data.Length : 0);
            return (taken, arrival.Status(imageMissing: false));
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
        catch (VirtException)
        {
            await ForgetAsync(id, arrival);
            throw;
        }
    }

    /// <summary>Makes the container of what has come; a status that is not complete: it is being worked at. Null: nothing has begun.</summary>
    public async Task<ArrivalStatus?> CompleteAsync(
        Guid id, IReadOnlyList<string> peer, IReadOnlyDictionary<string, string> hashes, CancellationToken cancellationToken)
    {
        await AuthorizeAsync(id, peer, cancellationToken);
        if (Find(id, peer) is not { } arrival)
        {
            return null;
        }

        Task completion;
        using (await _locks.EnterAsync(id, cancellationToken))
        {
            completion = arrival.Completion ??= Task.Run(() => FinishAsync(id, arrival, hashes), CancellationToken.None);
        }

        await Task.WhenAny(completion, Task.Delay(TransferProtocol.CompletionWait, time, cancellationToken));
        if (completion.IsCompleted)
        {
            await completion;
        }

        return arrival.Status(imageMissing: false);
    }

    /// <summary>The source has given it up. What is a container by now goes too: nobody has been told of it.</summary>
    public async Task AbandonAsync(Guid id, IReadOnlyList<string> peer, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken);
        if (Find(id, peer) is { } arrival)
        {
            await EndAsync(id, arrival);
            if (arrival.IsComplete && await driver.FindAsync(id, cancellationToken) is { } container)
            {
                await RemoveAsync(container, arrival.Source, cancellationToken);
            }
        }
    }

    /// <summary>Takes away what nobody has sent anything for in a long time.</summary>
    public async Task ExpireAsync(CancellationToken cancellationToken)
    {
        foreach (var (id, arrival) in _arrivals.Where(a => IsIdle(a.Value)))
        {
            using var held = await _locks.EnterAsync(id, cancellationToken);
            if (IsIdle(arrival))
            {
                if (!arrival.IsComplete)
                {
                    logger.LogWarning("Nothing has come of container {Container} from {Source} for {Limit}: it is given up", id, arrival.Source, IdleLimit);
                }

                await EndAsync(id, arrival);
            }
        }
    }

    /// <summary>What is under way begins anew at the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (var (id, arrival) in _arrivals)
        {
            await EndAsync(id, arrival);
        }

        _stop.Dispose();
        _slots.Dispose();
    }

    private bool IsIdle(Arrival arrival) => time.GetElapsedTime(arrival.LastHeard) > IdleLimit && arrival.Completion is null or { IsCompleted: true };

    private async Task<string> AuthorizeAsync(Guid id, IReadOnlyList<string> peer, CancellationToken cancellationToken)
    {
        if (await moves.FindSourceAsync(id, cancellationToken) is not { } source)
        {
            throw new TransferDeniedException($"No migration of instance {id} to this host is in progress.");
        }

        return TransferCertificates.IsNamed(peer, source)
            ? source
            : throw new TransferDeniedException(
                $"Instance {id} is being migrated from {source}, and the certificate that was shown is that of {TransferCertificates.Text(peer)}.");
    }

    private Arrival? Find(Guid id, IReadOnlyList<string> peer)
    {
        if (!_arrivals.TryGetValue(id, out var arrival) || !TransferCertificates.IsNamed(peer, arrival.Source))
        {
            return null;
        }

        arrival.LastHeard = time.GetTimestamp();
        return arrival;
    }

    private static async Task AddImageAsync(Arrival arrival, ContainerManifest manifest, CancellationToken cancellationToken)
    {
        if (manifest.Find(ContainerManifest.ImagePart) is { } image)
        {
            await arrival.Container.AddImageAsync(image, cancellationToken);
        }
    }

    private async Task<ArrivalStatus> TellAsync(Arrival arrival, CancellationToken cancellationToken)
    {
        var manifest = arrival.Container.Manifest;
        return arrival.Status(!arrival.IsComplete && manifest.Find(ContainerManifest.ImagePart) is null
            && await driver.FindImageAsync(manifest.Spec.ImageKey, cancellationToken) is null);
    }

    private async Task FinishAsync(Guid id, Arrival arrival, IReadOnlyDictionary<string, string> hashes)
    {
        try
        {
            await arrival.Container.CompleteAsync(hashes, _stop.Token);
        }
        catch (Exception e)
        {
            await ForgetAsync(id, arrival);
            if (e is VirtException)
            {
                throw;
            }

            // To send it all once more would end in the same way.
            logger.LogError(e, "Container {Container} has come from {Source}, and cannot be made here", id, arrival.Source);
            throw new TransferRefusedException("All data arrived, and no container could be made of them; see the log there.", e);
        }

        arrival.IsComplete = true;
        Leave(arrival);
        logger.LogInformation("Container {Container} has come from {Source}", id, arrival.Source);
    }

    /// <summary>Of what failed nothing is kept. (Whoever waits for the lock of the container finds it gone.)</summary>
    private async Task ForgetAsync(Guid id, Arrival arrival)
    {
        _arrivals.TryRemove(new(id, arrival));
        Leave(arrival);
        await arrival.Container.DisposeAsync();
    }

    private async Task EndAsync(Guid id, Arrival arrival)
    {
        if (arrival.Completion is { } completion)
        {
            await completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await ForgetAsync(id, arrival);
    }

    private void Leave(Arrival arrival)
    {
        if (Interlocked.Exchange(ref arrival.Left, 1) == 0)
        {
            metrics.Ended("in");
            _slots.Release();
        }
    }

    private async Task RemoveAsync(ContainerInfo container, string source, CancellationToken cancellationToken)
    {
        if (container.State is ContainerState.Running or ContainerState.Frozen)
        {
            throw new TransferDeniedException($"A container of the instance runs on this host already, although it comes from {source}. Look into that first.");
        }

        logger.LogWarning("Container {Container} ({Name}) was left here by an earlier move; it is taken away", container.Id, container.Name);
        await driver.DeleteAsync(container.Id, cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Container {Container} ({Name}) comes from {Source}: {Megabytes} MiB")]
    private partial void LogBegun(Guid container, string name, string source, long megabytes);

    private sealed class Arrival(string source, IContainerArrival container)
    {
        public int Left;

        public string Source => source;

        public IContainerArrival Container => container;

        /// <summary>Timestamp of the peer's last request.</summary>
        public long LastHeard { get; set; }

        public Task? Completion { get; set; }

        public bool IsComplete { get; set; }

        public ArrivalStatus Status(bool imageMissing) => new(container.Positions, imageMissing, IsComplete);
    }
}
