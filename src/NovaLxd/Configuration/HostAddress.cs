using System.Net;
using System.Net.Sockets;

namespace NovaLxd.Configuration;

/// <summary>The default of <c>my_ip</c>: the source address that a packet to TEST-NET would get (no packet is sent), else loopback (nova/conf/netconf.py).</summary>
internal static class HostAddress
{
    public static string Find()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(new IPEndPoint(IPAddress.Parse("192.0.2.0"), 80));
            return ((IPEndPoint)socket.LocalEndPoint!).Address.ToString();
        }
        catch (SocketException)
        {
            return IPAddress.Loopback.ToString();
        }
    }
}
