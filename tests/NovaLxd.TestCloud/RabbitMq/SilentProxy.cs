using System.Net;
using System.Net.Sockets;

namespace NovaLxd.TestCloud.RabbitMq;

/// <summary>
/// A TCP proxy that can fall silent: connections stay open on both sides and nothing passes any more, which is what a dead network path
/// looks like. New connections are accepted and not answered while it is silent.
/// </summary>
public sealed class SilentProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<TcpClient> _clients = [];
    private readonly List<Task> _tasks = [];
    private readonly int _targetPort;
    private volatile bool _silent;

    public SilentProxy(int targetPort)
    {
        _targetPort = targetPort;
        _listener.Start();
        _tasks.Add(AcceptAsync());
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>How many connections were made through it.</summary>
    public int Connections { get; private set; }

    public void FallSilent() => _silent = true;

    public void Speak() => _silent = false;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        lock (_clients)
        {
            _clients.ForEach(client => client.Dispose());
        }

        await Task.WhenAll(_tasks);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var near = await _listener.AcceptTcpClientAsync(_stopping.Token);
                var far = new TcpClient();
                await far.ConnectAsync(IPAddress.Loopback, _targetPort, _stopping.Token);
                Connections++;
                lock (_clients)
                {
                    _clients.AddRange([near, far]);
                    _tasks.AddRange([PassAsync(near, far), PassAsync(far, near)]);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // disposed
        }
    }

    private async Task PassAsync(TcpClient from, TcpClient to)
    {
        var buffer = new byte[16384];
        try
        {
            int read;
            while ((read = await from.GetStream().ReadAsync(buffer, _stopping.Token)) > 0)
            {
                if (!_silent)
                {
                    await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _stopping.Token);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            // one side closed
        }

        if (!_silent)
        {
            to.Dispose();
        }
    }
}
