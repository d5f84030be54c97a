using System.Net;
using NovaLxd.OpenStack.Authentication;

namespace NovaLxd.OpenStack.Glance;

/// <summary>
/// Image data over connections that may break: after a failure or a stall it asks for the rest with a Range header. A server that does not know
/// Range sends all from the beginning, of which what was read already is skipped. Gives up after [glance] num_retries failures in a row without a byte.
/// </summary>
internal sealed class ImageStream : Stream
{
    private readonly IGlanceApi api;
    private readonly OpenStackCaller caller;
    private readonly string id;
    private readonly AdapterOptions adapter;
    private readonly TimeProvider time;
    private HttpResponseMessage? response;
    private Stream? body;
    private long position;
    private long? length;
    private int failures;

    private ImageStream(IGlanceApi api, OpenStackCaller caller, string id, AdapterOptions adapter, TimeProvider time)
    {
        this.api = api;
        this.caller = caller;
        this.id = id;
        this.adapter = adapter;
        this.time = time;
    }

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;

    /// <summary>The number of bytes that Glance announced.</summary>
    public override long Length => length ?? throw new NotSupportedException("Glance did not say how long the image is.");

    public override long Position
    {
        get => position;
        set => throw new NotSupportedException();
    }

    public static async Task<ImageStream> OpenAsync(
        IGlanceApi api, OpenStackCaller caller, string id, AdapterOptions adapter, TimeProvider time, CancellationToken cancellationToken)
    {
        var stream = new ImageStream(api, caller, id, adapter, time);
        await stream.ConnectAsync(cancellationToken);
        return stream;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            try
            {
                if (body is null)
                    await ConnectAsync(cancellationToken);
                var read = await ReadOnceAsync(buffer, cancellationToken);
                if (read == 0 && buffer.Length > 0 && length is { } whole && position < whole)
                    throw new HttpIOException(HttpRequestError.ResponseEnded, $"the data ended after {position} of {whole} bytes");
                position += read;
                failures = read > 0 ? 0 : failures;
                return read;
            }
            catch (Exception e) when (e is IOException or HttpRequestException or TimeoutException)
            {
                Disconnect();
                if (++failures > adapter.Retries)
                    throw new ServiceUnreachableException("glance", null, $"the data of image {id} broke off after {position} bytes: {e.Message}", e);
                await Task.Delay(adapter.RetryDelay, time, cancellationToken);
            }
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Image data is read asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Disconnect();
        base.Dispose(disposing);
    }

    /// <summary>One read, within the time limit of an attempt: a peer that is gone without a word must not hold a build for ever.</summary>
    private async ValueTask<int> ReadOnceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var stalled = new CancellationTokenSource(adapter.AttemptTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stalled.Token);
        try
        {
            return await body!.ReadAsync(buffer, either.Token);
        }
        catch (OperationCanceledException) when (stalled.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"no data for {adapter.AttemptTimeout.TotalSeconds:0.#} s");
        }
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        response = await api.DownloadAsync(caller, stream: true, id, position > 0 ? $"bytes={position}-" : null, cancellationToken);
        if (await Http.ServiceErrors.FromResponseAsync("glance", response) is { } failure)
        {
            Disconnect();
            throw failure;
        }

        if (response.StatusCode == HttpStatusCode.NoContent)
        {
            Disconnect();
            throw new OpenStackHttpException("glance", HttpStatusCode.NoContent, $"image {id} has no data", "", null);
        }

        body = await response.Content.ReadAsStreamAsync(cancellationToken);
        if (position == 0 || response.StatusCode != HttpStatusCode.PartialContent)
        {
            length ??= response.Content.Headers.ContentLength;
            await SkipAsync(position, cancellationToken);
        }
    }

    private async Task SkipAsync(long count, CancellationToken cancellationToken)
    {
        var scratch = new byte[64 * 1024];
        while (count > 0)
        {
            var read = await ReadOnceAsync(scratch.AsMemory(0, (int)Math.Min(scratch.Length, count)), cancellationToken);
            if (read == 0)
                throw new HttpIOException(HttpRequestError.ResponseEnded, $"the data ended {count} bytes before the place where it broke off");
            count -= read;
        }
    }

    private void Disconnect()
    {
        body?.Dispose();
        response?.Dispose();
        body = null;
        response = null;
    }
}
