using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>One connected service: reads its requests, writes answers and events, and keeps what the socket does not take at once.</summary>
internal sealed class ClientConnection : IDisposable
{
    private const int MaxQueued = 4096;

    private readonly FileDescriptor _socket;
    private readonly EventLoop.Registration _watch;
    private readonly Action<ClientConnection, SupervisorRequest, List<FileDescriptor>> _handle;
    private readonly Action<ClientConnection> _closed;
    private readonly Queue<(byte[] Content, FileDescriptor? Descriptor)> _queue = new();
    private static readonly byte[] Buffer = new byte[SupervisorProtocol.MaxMessage];
    private bool _disposed;

    public ClientConnection(
        EventLoop loop, FileDescriptor socket, Action<ClientConnection, SupervisorRequest, List<FileDescriptor>> handle, Action<ClientConnection> closed)
    {
        _socket = socket;
        _handle = handle;
        _closed = closed;
        SysSocket.SetSendBuffer(socket, SupervisorProtocol.MaxMessage);
        _watch = loop.Watch(socket, SysEpoll.EPOLLIN, OnReady);
    }

    public bool Subscribed { get; set; }

    public bool IsOpen => !_disposed;

    /// <param name="descriptor">A copy goes with the message; stays the caller's.</param>
    public void Send(SupervisorMessage message, FileDescriptor? descriptor = null)
    {
        if (_disposed)
        {
            return;
        }

        var content = SupervisorProtocol.Encode(message);
        if (_queue.Count > 0 || !TrySend(content, descriptor))
        {
            if (_disposed)
            {
                return;
            }

            _queue.Enqueue((content, descriptor?.Duplicate()));
            _watch.SetEvents(SysEpoll.EPOLLIN | SysEpoll.EPOLLOUT);
            if (_queue.Count > MaxQueued)
            {
                Dispose(); // It does not read: it will connect again and ask how things are.
            }
        }
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _watch.Dispose();
        _socket.Dispose();
        foreach (var (_, descriptor) in _queue)
        {
            descriptor?.Dispose();
        }

        _queue.Clear();
        _closed(this);
    }

    private bool TrySend(byte[] content, FileDescriptor? descriptor)
    {
        try
        {
            return SysSocket.Send(_socket.Number, content, descriptor is null ? [] : [descriptor.Number]);
        }
        catch (KernelException e) when (SysSocket.IsPeerGone(e))
        {
            Dispose();
            return false;
        }
    }

    private void OnReady()
    {
        while (_queue.TryPeek(out var next) && TrySend(next.Content, next.Descriptor))
        {
            _queue.Dequeue();
            next.Descriptor?.Dispose();
            if (_queue.Count == 0)
            {
                _watch.SetEvents(SysEpoll.EPOLLIN);
            }
        }

        if (_disposed)
        {
            return;
        }

        var descriptors = new List<FileDescriptor>();
        SupervisorRequest request;
        try
        {
            switch (SysSocket.Receive(_socket.Number, Buffer, descriptors))
            {
                case null:
                    return;
                case 0:
                    Dispose();
                    return;
                case { } length:
                    request = SupervisorProtocol.DecodeRequest(Buffer.AsSpan(0, length));
                    break;
            }
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidDataException)
        {
            descriptors.ForEach(descriptor => descriptor.Dispose());
            Dispose();
            throw;
        }

        _handle(this, request, descriptors);
    }
}
