using System.Net.Sockets;
using System.Text;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// systemd, where it runs us (sd_notify(3), sd_listen_fds_with_names(3)): told when we are ready, and asked to keep the masters of the consoles in its
/// descriptor store, from which the next start gets them back.
/// </summary>
internal sealed class ServiceManager(string? notifySocket)
{
    private const int FirstListenDescriptor = 3;

    public void Ready() => Notify("READY=1", null);

    public void Keep(Guid id, FileDescriptor terminal) =>
        Notify($"FDSTORE=1\nFDNAME={id:N}\nFDPOLL=0", terminal); // FDPOLL=0: a console nobody has open inside reports a hang-up.

    public void Drop(Guid id) => Notify($"FDSTOREREMOVE=1\nFDNAME={id:N}", null);

    /// <summary>Descriptors stored by an earlier run.</summary>
    public static IReadOnlyDictionary<Guid, FileDescriptor> TakeStored(string? listenPid, string? listenFds, string? listenNames)
    {
        var stored = new Dictionary<Guid, FileDescriptor>();
        if (listenPid != Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture) || !int.TryParse(listenFds, out var count))
        {
            return stored;
        }

        var names = (listenNames ?? "").Split(':');
        for (var i = 0; i < count; i++)
        {
            var descriptor = new FileDescriptor(FirstListenDescriptor + i);
            Fcntl.SetCloseOnExec(descriptor.Number, true);
            if (i >= names.Length || !Guid.TryParse(names[i], out var id) || !stored.TryAdd(id, descriptor))
            {
                descriptor.Dispose();
            }
        }

        return stored;
    }

    private void Notify(string state, FileDescriptor? descriptor)
    {
        if (notifySocket is null)
        {
            return;
        }

        // An abstract name begins with '@', which is a zero byte in the address.
        var path = notifySocket[0] == '@' ? string.Concat("\0", notifySocket.AsSpan(1)) : notifySocket;
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            SysSocket.Send((int)socket.Handle, Encoding.UTF8.GetBytes(state), descriptor is null ? [] : [descriptor.Number]);
        }
        catch (Exception e) when (e is SocketException or KernelException)
        {
            // The manager is restarting itself: nothing here depends on it.
        }
    }
}
