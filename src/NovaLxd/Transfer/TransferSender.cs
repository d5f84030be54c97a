using Microsoft.Extensions.Logging;
using NovaLxd.Virt;

namespace NovaLxd.Transfer;

/// <summary>The host a container goes to.</summary>
/// <param name="Host">Its name (the migration's dest_compute), which its certificate has to bear.</param>
/// <param name="Address">Where it is (the migration's dest_host).</param>
internal sealed record TransferTarget(string Host, string Address);

/// <summary>
/// Brings a container to another host: (1) tells what it is, and learns how far it has come (2) sends what is missing, piece by piece (3) has it completed. When
/// the connection breaks or the other side is silent, all of it is done again, with growing pauses, as long as some progress is made within
/// <c>transfer_retry_time</c>.
/// </summary>
internal sealed class TransferSender(
    TransferOptions options, TransferCertificates certificates, TransferMetrics metrics, TimeProvider time, ILogger<TransferSender> logger) : IDisposable
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _slots = new(options.TransferLimit, options.TransferLimit);

    /// <summary>How long another host may be too busy.</summary>
    private static readonly TimeSpan BusyLimit = TimeSpan.FromHours(1);

    /// <summary>Shortest pause before another try.</summary>
    internal TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long one request may take.</summary>
    internal TimeSpan RequestLimit { get; init; } = TransferProtocol.RequestLimit;

    /// <summary>Waits until fewer than <c>transfer_limit</c> containers are leaving; to be held before the guest is stopped.</summary>
    public async Task<IDisposable> EnterAsync(CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken);
        metrics.Begun("out");
        return new Slot(this);
    }

    /// <exception cref="TransferFailedException">It did not come to its end; nothing of it is left there that would not be taken away there.</exception>
    public async Task SendAsync(TransferTarget target, IContainerDeparture departure, CancellationToken cancellationToken)
    {
        var spec = departure.Manifest.Spec;
        using var connection = new TransferConnection(target, options, certificates, RequestLimit);
        using var sent = new SentParts();
        var (begun, progress, pause) = (time.GetTimestamp(), time.GetTimestamp(), FirstPause);
        logger.LogInformation(
            "{Name} leaves for {Host} at {Address}: {Megabytes} MiB", spec.Name, target.Host, target.Address, departure.Manifest.Parts.Sum(p => p.DataBytes) >> 20);
        while (true)
        {
            try
            {
                await AttemptAsync(connection, departure, sent, cancellationToken);
                logger.LogInformation("{Name} has come to {Host}: {Megabytes} MiB in {Elapsed}", spec.Name, target.Host, sent.Bytes >> 20, time.GetElapsedTime(begun));
                return;
            }
            catch (TransferBusyException e) when (time.GetElapsedTime(begun) < BusyLimit || sent.Bytes > 0)
            {
                // It lives, and it will be our turn.
                logger.LogInformation("{Name} waits for {Host}: {Reason}", spec.Name, target.Host, e.Message);
                (progress, pause) = (time.GetTimestamp(), LongestPause);
            }
            catch (TransferBusyException e)
            {
                throw new TransferFailedException($"The server could not be brought to host {target.Host}: for {BusyLimit} {e.Message}", e);
            }
            catch (TransferBrokenException e)
            {
                metrics.Interrupted();
                if (sent.TakeProgress())
                {
                    (progress, pause) = (time.GetTimestamp(), FirstPause);
                }

                if (time.GetElapsedTime(progress) >= options.TransferRetryTime)
                {
                    throw new TransferFailedException(
                        $"The server could not be brought to host {target.Host} at {target.Address} port {options.TransferPort}: {e.Message}. It was tried for {options.TransferRetryTime}.", e);
                }

                logger.LogWarning("{Name} is held up on its way to {Host}, at {Megabytes} MiB: {Reason}. The next try is in {Pause}.",
                    spec.Name, target.Host, sent.Bytes >> 20, e.Message, pause);
            }

            await Task.Delay(pause, time, cancellationToken);
            pause = pause * 2 > LongestPause ? LongestPause : pause * 2;
        }
    }

    /// <summary>Has the other host take away what it got, also when that is whole by now. It does so by itself some time after; so failures are logged and no more.</summary>
    public async Task AbandonAsync(TransferTarget target, Guid id, CancellationToken cancellationToken)
    {
        try
        {
            using var connection = new TransferConnection(target, options, certificates, RequestLimit);
            await connection.AbandonAsync(id, cancellationToken);
        }
        catch (Exception e) when (e is TransferBrokenException or TransferBusyException or TransferFailedException)
        {
            logger.LogWarning("{Host} could not be told that container {Container} does not come: {Reason}", target.Host, id, e.Message);
        }
    }

    public void Dispose() => _slots.Dispose();

    private async Task AttemptAsync(TransferConnection connection, IContainerDeparture departure, SentParts sent, CancellationToken cancellationToken)
    {
        // (1)
        var status = await connection.BeginAsync(departure.Manifest, cancellationToken);
        if (status is { ImageMissing: true, Complete: false })
        {
            logger.LogInformation("{Host} has no other way to the image {Image}: it is sent along", connection.Target.Host, departure.Manifest.Spec.ImageKey);
            await departure.AddImageAsync(cancellationToken);
            status = await connection.BeginAsync(departure.Manifest, cancellationToken);
        }

        if (status.Complete)
        {
            return;
        }

        // (2)
        foreach (var part in departure.Manifest.Parts)
        {
            await SendPartAsync(connection, departure, part, status.Positions.GetValueOrDefault(part.Name), sent, cancellationToken);
        }

        // (3)
        var hashes = departure.Manifest.Parts.ToDictionary(p => p.Name, p => sent.Of(p.Name).Hash.Value);
        while (!(await connection.CompleteAsync(departure.Manifest.Spec.Id, hashes, cancellationToken)).Complete)
        {
            logger.LogDebug("{Host} works at it", connection.Target.Host);
        }
    }

    private async Task SendPartAsync(
        TransferConnection connection, IContainerDeparture departure, TransferPart part, long position, SentParts sent, CancellationToken cancellationToken)
    {
        var state = sent.Of(part.Name);
        using var buffer = new RentedBytes(TransferProtocol.PieceBytes);
        var told = time.GetTimestamp();

        // What has come there before this run, or was read already, is read once more where the hash lacks it or the other side does.
        for (var at = Math.Min(position, state.Hashed); ;)
        {
            var (offset, length) = await Task.Run(() => departure.ReadNext(part.Name, at, buffer.Memory.Span), cancellationToken);
            if (length == 0)
            {
                return;
            }

            var piece = buffer.Memory[..length];
            state.Append(offset, piece.Span);
            if (offset >= position)
            {
                await connection.WriteAsync(departure.Manifest.Spec.Id, part.Name, offset, piece, cancellationToken);
                metrics.Moved("out", length);
                sent.Add(length);
            }

            at = offset + length;
            if (time.GetElapsedTime(told) > ProgressInterval)
            {
                told = time.GetTimestamp();
                logger.LogInformation("{Name}, {Part}: {Megabytes} MiB sent, now at {Position} of {Size}", departure.Manifest.Spec.Name, part.Name, sent.Bytes >> 20, at, part.Size);
            }
        }
    }

    private void Leave()
    {
        metrics.Ended("out");
        _slots.Release();
    }

    private sealed class Slot(TransferSender sender) : IDisposable
    {
        private TransferSender? _sender = sender;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _sender, null) is { } held)
            {
                held.Leave();
            }
        }
    }
}
