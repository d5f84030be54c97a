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
    private readonly List<Task> _passing = [];
    private readonly Task _accepting;
    private readonly int _targetPort;
    private volatile bool _silent;

    public SilentProxy(int targetPort)
    {
        _targetPort = targetPort;
        _listener.Start();
        _accepting = AcceptAsync();
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
        await _accepting; // from here on no client and no task is added
        _clients.ForEach(client => client.Dispose());
        await Task.WhenAll(_passing);
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
                _clients.AddRange([near, far]);
                try
                {
                    await far.ConnectAsync(IPAddress.Loopback, _targetPort, _stopping.Token);
                }
                catch (SocketException)
                {
                    near.Dispose(); // the target is down, and may come back
                    continue;
                }

                Connections++;
                _passing.AddRange([PassAsync(near, far), PassAsync(far, near)]);
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
