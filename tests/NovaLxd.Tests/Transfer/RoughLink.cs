using System.Net;
using System.Net.Sockets;

namespace NovaLxd.Tests.Transfer;

/// <summary>A link between two hosts that breaks, or goes dumb, after so many bytes of a connection.</summary>
internal sealed class RoughLink : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly IPEndPoint _target;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private int _connections;

    public RoughLink(IPEndPoint here, IPEndPoint target)
    {
        (_listener, _target) = (new TcpListener(here), target);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>How many connections break before one holds.</summary>
    public int Breaks { get; init; }

    /// <summary>Bytes towards the target after which one does.</summary>
    public long After { get; init; }

    /// <summary>Whether it stays open and silent instead.</summary>
    public bool Stalls { get; init; }

    public int Connections => _connections;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var client = await _listener.AcceptTcpClientAsync(_stop.Token);
            _ = ServeAsync(client, Interlocked.Increment(ref _connections) <= Breaks ? After : long.MaxValue);
        }
    }

    private async Task ServeAsync(TcpClient client, long limit)
    {
        using var near = client;
        using var far = new TcpClient();
        await far.ConnectAsync(_target, _stop.Token);
        var back = far.GetStream().CopyToAsync(near.GetStream(), _stop.Token);
        var buffer = new byte[32 << 10];
        try
        {
            for (var done = 0L; done < limit;)
            {
                var read = await near.GetStream().ReadAsync(buffer, _stop.Token);
                if (read == 0)
                {
                    return;
                }

                await far.GetStream().WriteAsync(buffer.AsMemory(0, read), _stop.Token);
                done += read;
            }

            if (Stalls)
            {
                await Task.Delay(Timeout.Infinite, _stop.Token);
            }

            near.Client.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            // One of the ends has gone.
        }
        finally
        {
            near.Close();
            far.Close();
            await back.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
