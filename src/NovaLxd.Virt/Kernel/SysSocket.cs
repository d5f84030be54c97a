using System.Runtime.InteropServices;
using System.Text;

#pragma warning disable CS8981 // Names as in C.

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/socket.h and sys/un.h: sockets whose messages carry descriptors (unix(7), SCM_RIGHTS).</summary>
internal static unsafe partial class SysSocket
{
    public const int AF_UNIX = 1;
    public const int AF_INET = 2;
    public const int AF_NETLINK = 16;
    public const int SOCK_DGRAM = 2;
    public const int SOCK_RAW = 3;
    public const int SOCK_SEQPACKET = 5;
    public const int SOCK_NONBLOCK = Fcntl.O_NONBLOCK;
    public const int SOCK_CLOEXEC = Fcntl.O_CLOEXEC;
    public const int SOL_SOCKET = 1;
    public const int SO_SNDBUF = 7;
    public const int SO_PEERCRED = 17;
    public const int SCM_RIGHTS = 1;
    public const int MSG_TRUNC = 0x20;
    public const int MSG_DONTWAIT = 0x40;
    public const int MSG_NOSIGNAL = 0x4000;
    public const int MSG_CMSG_CLOEXEC = 0x40000000;

    /// <summary>Most descriptors one message of ours carries.</summary>
    public const int MaxDescriptors = 8;

    /// <summary>sizeof(struct cmsghdr) on 64-bit systems; data follow at once.</summary>
    public const int ControlHeaderSize = 16;

    [StructLayout(LayoutKind.Sequential)]
    public struct iovec
    {
        public void* iov_base;
        public nuint iov_len;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct msghdr
    {
        public void* msg_name;
        public uint msg_namelen;
        public iovec* msg_iov;
        public nuint msg_iovlen;
        public void* msg_control;
        public nuint msg_controllen;
        public int msg_flags;
    }

    /// <summary>Who connected (SO_PEERCRED).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ucred
    {
        public int pid;
        public uint uid;
        public uint gid;
    }

    public static FileDescriptor socket(int domain, int type, int protocol)
    {
        var fd = socket_(domain, type, protocol);
        return fd >= 0 ? new FileDescriptor(fd) : throw KernelException.Last("socket");
    }

    public static (FileDescriptor, FileDescriptor) socketpair(int domain, int type)
    {
        var ends = stackalloc int[2];
        return socketpair_(domain, type, 0, ends) == 0
            ? (new FileDescriptor(ends[0]), new FileDescriptor(ends[1]))
            : throw KernelException.Last("socketpair");
    }

    /// <summary>A listening socket at <paramref name="path"/>, replacing what a dead listener left there.</summary>
    public static FileDescriptor ListenUnix(string path, int type)
    {
        var listener = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        try
        {
            File.Delete(path);
            var address = UnixAddress(path);
            fixed (byte* start = address)
            {
                if (bind(listener.Number, start, (uint)address.Length) != 0)
                {
                    throw KernelException.Last("bind", path);
                }
            }

            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return listen(listener.Number, 64) == 0 ? listener : throw KernelException.Last("listen", path);
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>Null when nobody waits.</summary>
    public static FileDescriptor? Accept(FileDescriptor listener)
    {
        var fd = accept4(listener.Number, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return fd >= 0 ? new FileDescriptor(fd)
            : Marshal.GetLastPInvokeError() is Errno.EAGAIN or Errno.EINTR or ConnectionAborted ? null : throw KernelException.Last("accept4");
    }

    /// <returns>0, or the errno of the failure.</returns>
    public static int TryConnectUnix(FileDescriptor socket, string path)
    {
        var address = UnixAddress(path);
        fixed (byte* start = address)
        {
            return connect(socket.Number, start, (uint)address.Length) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
    }

    public static ucred PeerCredentials(FileDescriptor socket)
    {
        ucred peer;
        var size = (uint)sizeof(ucred);
        return getsockopt(socket.Number, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer : throw KernelException.Last("getsockopt(SO_PEERCRED)");
    }

    public static void SetSendBuffer(FileDescriptor socket, int bytes)
    {
        if (setsockopt(socket.Number, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(int)) != 0)
        {
            throw KernelException.Last("setsockopt(SO_SNDBUF)");
        }
    }

    /// <summary>Sends one whole message with <paramref name="descriptors"/>, of which the receiver gets copies.</summary>
    /// <returns>False: the socket's buffer is full (non-blocking sockets).</returns>
    /// <exception cref="KernelException">Among others when the other side is gone (<see cref="IsPeerGone"/>).</exception>
    public static bool Send(int socket, ReadOnlySpan<byte> content, ReadOnlySpan<int> descriptors = default)
    {
        var control = stackalloc byte[ControlHeaderSize + (MaxDescriptors * sizeof(int))];
        fixed (byte* start = content)
        {
            var vector = new iovec { iov_base = start, iov_len = (nuint)content.Length };
            var message = new msghdr { msg_iov = &vector, msg_iovlen = 1 };
            if (!descriptors.IsEmpty)
            {
                var length = ControlHeaderSize + (descriptors.Length * sizeof(int));
                WriteControlHeader(new Span<byte>(control, ControlHeaderSize), length);
                descriptors.CopyTo(new Span<int>(control + ControlHeaderSize, MaxDescriptors));
                message.msg_control = control;
                message.msg_controllen = (nuint)((length + 7) & ~7);
            }

            while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
            {
                switch (Marshal.GetLastPInvokeError())
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EAGAIN:
                        return false;
                    default:
                        throw KernelException.Last("sendmsg");
                }
            }
        }

        return true;
    }

    /// <summary>Receives one message. Descriptors that came with it are the caller's to close.</summary>
    /// <returns>Bytes received, 0 when the other side has closed; null when nothing is there (non-blocking sockets).</returns>
    public static int? Receive(int socket, Span<byte> buffer, List<FileDescriptor> descriptors)
    {
        var control = stackalloc byte[ControlHeaderSize + (MaxDescriptors * sizeof(int))];
        fixed (byte* start = buffer)
        {
            var vector = new iovec { iov_base = start, iov_len = (nuint)buffer.Length };
            var message = new msghdr
            {
                msg_iov = &vector,
                msg_iovlen = 1,
                msg_control = control,
                msg_controllen = (nuint)(ControlHeaderSize + (MaxDescriptors * sizeof(int))),
            };
            nint count;
            while ((count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0)
            {
                switch (Marshal.GetLastPInvokeError())
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EAGAIN:
                        return null;
                    case Errno.ECONNRESET or Errno.ENOTCONN:
                        return 0;
                    default:
                        throw KernelException.Last("recvmsg");
                }
            }

            if (message.msg_controllen >= ControlHeaderSize && ((int*)control)[2] == SOL_SOCKET && ((int*)control)[3] == SCM_RIGHTS)
            {
                var numbers = (int)(*(nuint*)control - ControlHeaderSize) / sizeof(int);
                for (var i = 0; i < numbers; i++)
                {
                    descriptors.Add(new FileDescriptor(((int*)(control + ControlHeaderSize))[i]));
                }
            }

            return (message.msg_flags & MSG_TRUNC) == 0 ? (int)count
                : throw new InvalidDataException($"A message is larger than {buffer.Length} bytes.");
        }
    }

    /// <summary>
    /// Whether a message could not be sent because nobody is there any more. EPIPE and ECONNRESET are the rule; older kernels answer ECONNREFUSED, and ENOTCONN
    /// from then on, to who sends in the moment in which the other side closes (unix_dgram_sendmsg in net/unix/af_unix.c).
    /// </summary>
    public static bool IsPeerGone(KernelException failure) => failure.Errno is Errno.EPIPE or Errno.ECONNRESET or Errno.ECONNREFUSED or Errno.ENOTCONN;

    /// <summary>struct cmsghdr of SCM_RIGHTS; <paramref name="length"/> with the header.</summary>
    public static void WriteControlHeader(Span<byte> header, int length)
    {
        MemoryMarshal.Write(header, (long)length);
        MemoryMarshal.Write(header[8..], SOL_SOCKET);
        MemoryMarshal.Write(header[12..], SCM_RIGHTS);
    }

    private const int ConnectionAborted = 103;

    /// <summary>struct sockaddr_un with its length as used.</summary>
    private static byte[] UnixAddress(string path)
    {
        var name = Encoding.UTF8.GetBytes(path);
        if (name.Length > 107)
        {
            throw new ArgumentException($"The path of a socket has at most 107 bytes, and {path} has {name.Length}: choose a shorter folder.", nameof(path));
        }

        var address = new byte[2 + name.Length + 1];
        address[0] = AF_UNIX;
        name.CopyTo(address, 2);
        return address;
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int socket_(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int socketpair_(int domain, int type, int protocol, int* ends);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(int socket, byte* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int listen(int socket, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(int socket, byte* address, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int accept4(int socket, byte* address, uint* length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockopt(int socket, int level, int option, void* value, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int socket, int level, int option, void* value, uint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int socket, msghdr* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(int socket, msghdr* message, int flags);
}
