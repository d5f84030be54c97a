using System.Collections.Concurrent;
using System.Net.Sockets;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>One connection to a supervisor, from connect to its loss: matches answers with requests and hands on what comes unasked.</summary>
internal sealed class SupervisorConnection : IDisposable
{
    private readonly Socket _socket;
    private readonly Action<SupervisorMessage, FileDescriptor?> _unasked;
    private readonly ConcurrentDictionary<long, PendingCall> _pending = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly SemaphoreSlim _sending = new(1);
    private long _sequence;
    private int _disposed;

    private SupervisorConnection(Socket socket, Action<SupervisorMessage, FileDescriptor?> unasked)
    {
        _socket = socket;
        _unasked = unasked;
        Completion = ReceiveAllAsync();
    }

    /// <summary>Ends, without a failure, when the connection is lost or closed.</summary>
    public Task Completion { get; }

    /// <summary>Whether it is worth asking; the answer may be out of date.</summary>
    public bool IsOpen => Volatile.Read(ref _disposed) == 0 && !Completion.IsCompleted;

    /// <summary>What the other side said it knows, once it has been greeted; null: what every supervisor has known.</summary>
    public IReadOnlyList<string>? Calls { get; set; }

    public bool Knows(SupervisorCall call) => call <= SupervisorCall.Upgrade || Calls?.Contains(call.ToString()) == true;

    /// <exception cref="SocketException">Nobody listens there.</exception>
    public static async Task<SupervisorConnection> ConnectAsync(
        string path, Action<SupervisorMessage, FileDescriptor?> unasked, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified) { SendBufferSize = SupervisorProtocol.MaxMessage };
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            socket.Blocking = false;
            return new SupervisorConnection(socket, unasked);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <param name="request">Gets its sequence number here.</param>
    /// <param name="descriptors">Copies go with it; stay the caller's.</param>
    /// <param name="item">Called for each message of the answer before the last.</param>
    /// <param name="onSent">Told the request's number once it is on its way.</param>
    /// <returns>The last message of the answer.</returns>
    /// <exception cref="ConnectionLostException">A request that was sent may have been carried out.</exception>
    public async Task<SupervisorMessage> AskAsync(
        SupervisorRequest request, IReadOnlyList<FileDescriptor> descriptors, Action<SupervisorMessage>? item, Action<long>? onSent, CancellationToken cancellationToken)
    {
        var sequence = Interlocked.Increment(ref _sequence);
        var call = new PendingCall(item);
        _pending[sequence] = call;
        try
        {
            await SendAsync(SupervisorProtocol.Encode(request with { Sequence = sequence }), descriptors, cancellationToken).ConfigureAwait(false);
            onSent?.Invoke(sequence);
            if (Completion.IsCompleted)
            {
                throw new ConnectionLostException(wasSent: true);
            }

            var answer = await call.Answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            return answer.Failure is null ? answer : throw answer.Failure.ToException(request.Id);
        }
        finally
        {
            _pending.TryRemove(sequence, out _);
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _closing.Cancel();
            _socket.Dispose();
        }
    }

    private async Task SendAsync(byte[] content, IReadOnlyList<FileDescriptor> descriptors, CancellationToken cancellationToken)
    {
        if (content.Length > SupervisorProtocol.MaxMessage)
        {
            throw new SupervisorException($"A request of {content.Length} bytes is too large for the supervisor: shorten the container's environment or command.");
        }

        await _sending.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var numbers = descriptors.Select(descriptor => descriptor.Number).ToArray();
            while (!WithDescriptor(socket => SysSocket.Send(socket, content, numbers)))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(2), cancellationToken).ConfigureAwait(false); // The supervisor is behind.
            }
        }
        catch (Exception e) when (e is ObjectDisposedException || (e is KernelException failure && SysSocket.IsPeerGone(failure)))
        {
            // Closed here and now: the reader may hear of it later, and nobody is to be given this connection meanwhile.
            Dispose();
            throw new ConnectionLostException(wasSent: false);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ReceiveAllAsync()
    {
        await Task.Yield();
        var buffer = new byte[SupervisorProtocol.MaxMessage];
        try
        {
            // A look at the first byte is how to wait; the message itself is taken by recvmsg(2), which alone gives the descriptors.
            while (await _socket.ReceiveAsync(buffer.AsMemory(0, 1), SocketFlags.Peek, _closing.Token).ConfigureAwait(false) > 0)
            {
                var descriptors = new List<FileDescriptor>();
                if (WithDescriptor(socket => SysSocket.Receive(socket, buffer, descriptors)) is not ({ } length and > 0))
                {
                    break;
                }

                Deliver(SupervisorProtocol.DecodeMessage(buffer.AsSpan(0, length)), descriptors);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException or KernelException or System.Text.Json.JsonException)
        {
            // Lost, or closed here; whoever waits for an answer is told below.
        }

        Dispose();
        foreach (var call in _pending.Values)
        {
            call.Answer.TrySetException(new ConnectionLostException(wasSent: true));
        }
    }

    /// <summary>Holds on to the descriptor meanwhile: closed by another thread in between, its number could be that of something else.</summary>
    private T WithDescriptor<T>(Func<int, T> call)
    {
        var handle = _socket.SafeHandle;
        var held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            return call((int)handle.DangerousGetHandle());
        }
        finally
        {
            if (held)
            {
                handle.DangerousRelease();
            }
        }
    }

    private void Deliver(SupervisorMessage message, List<FileDescriptor> descriptors)
    {
        if (message.Sequence == 0)
        {
            _unasked(message, descriptors.FirstOrDefault());
            return;
        }

        descriptors.ForEach(descriptor => descriptor.Dispose());
        if (!_pending.TryGetValue(message.Sequence, out var call))
        {
            return; // Its caller has gone.
        }

        if (message.Last)
        {
            call.Answer.TrySetResult(message);
        }
        else
        {
            call.Item?.Invoke(message);
        }
    }

    private sealed class PendingCall(Action<SupervisorMessage>? item)
    {
        public Action<SupervisorMessage>? Item { get; } = item;

        public TaskCompletionSource<SupervisorMessage> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>The supervisor went away while it was asked.</summary>
internal sealed class ConnectionLostException(bool wasSent) : Exception("The connection to the supervisor was lost.")
{
    /// <summary>False: the request never left, so nothing can have come of it.</summary>
    public bool WasSent { get; } = wasSent;
}
