using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace NovaLxd.Virt.Tests.Network;

/// <summary>TCP between two namespaces that each have an eth0.</summary>
internal static class Traffic
{
    private const int Port = 7000;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <returns>Bytes that arrived at <paramref name="to"/>.</returns>
    public static async Task<long> SendAsync(NetworkNamespace from, string fromAddress, NetworkNamespace to, string toAddress, int bytes)
    {
        await AddressAsync(from, fromAddress);
        await AddressAsync(to, toAddress);
        var (sender, receiver) = await ConnectAsync(from, to, toAddress);
        using (sender)
        using (receiver)
        {
            var sending = sender.SendAsync(new byte[bytes]);
            var received = ReceiveAsync(receiver, CancellationToken.None);
            await sending;
            sender.Shutdown(SocketShutdown.Both);
            return await received;
        }
    }

    /// <param name="duration">How long is sent at least.</param>
    /// <param name="least">
    /// Bytes that are to have arrived after so many seconds. Where they have not, sending goes on, for minutes if need be: a machine that is busy elsewhere for a
    /// second makes up for it, as both are of the whole time.
    /// </param>
    /// <returns>Bytes that arrived, and the seconds from the beginning of the sending to the last of them.</returns>
    public static async Task<(long Bytes, double Seconds)> MeasureAsync(
        NetworkNamespace from, NetworkNamespace to, string toAddress, TimeSpan duration, Func<double, double> least)
    {
        var (sender, receiver) = await ConnectAsync(from, to, toAddress);
        using (sender)
        using (receiver)
        using (var end = new CancellationTokenSource())
        {
            var clock = Stopwatch.StartNew();
            var sending = SendUntilAsync(sender, end.Token);
            var buffer = new byte[256 * 1024];
            var (bytes, seconds) = (0L, 0.0);
            while (seconds < duration.TotalSeconds || (bytes < least(seconds) && seconds < Patience.TotalSeconds))
            {
                bytes += await receiver.ReceiveAsync(buffer);
                seconds = clock.Elapsed.TotalSeconds;
            }

            await end.CancelAsync();
            receiver.Close();
            await sending;
            return (bytes, seconds);
        }
    }

    public static Task AddressAsync(NetworkNamespace place, string address) => place.ShellAsync($"ip addr replace {address}/24 dev eth0; ip link set eth0 up");

    private static async Task<(Socket Sender, Socket Receiver)> ConnectAsync(NetworkNamespace from, NetworkNamespace to, string toAddress)
    {
        var endpoint = new IPEndPoint(IPAddress.Parse(toAddress), Port);
        using var listener = await to.RunAsync(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(endpoint);
            socket.Listen();
            return socket;
        });
        var sender = await from.RunAsync(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        using var patience = new CancellationTokenSource(Patience);
        var accepted = listener.AcceptAsync(patience.Token);
        await sender.ConnectAsync(endpoint, patience.Token);
        return (sender, await accepted);
    }

    private static async Task SendUntilAsync(Socket socket, CancellationToken cancellationToken)
    {
        try
        {
            var block = new byte[64 * 1024];
            while (true)
            {
                await socket.SendAsync(block, cancellationToken);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // The receiver has had enough.
        }
    }

    private static async Task<long> ReceiveAsync(Socket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        long total = 0;
        for (var read = -1; read != 0; total += read)
        {
            read = await socket.ReceiveAsync(buffer, cancellationToken);
        }

        return total;
    }
}
