using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>unistd.h.</summary>
internal static unsafe partial class Unistd
{
    /// <returns>Bytes read, 0 at the end; null when a non-blocking descriptor has nothing, -EIO as 0 (the other end of a terminal is gone).</returns>
    public static int? Read(int fd, Span<byte> buffer)
    {
        while (true)
        {
            nint count;
            fixed (byte* start = buffer)
            {
                count = read(fd, start, buffer.Length);
            }

            if (count >= 0)
            {
                return (int)count;
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case Errno.EINTR:
                    continue;
                case Errno.EAGAIN:
                    return null;
                case Errno.EIO:
                    return 0;
                default:
                    throw KernelException.Last("read");
            }
        }
    }

    public static void WriteAll(int fd, ReadOnlySpan<byte> content, string? target = null)
    {
        while (!content.IsEmpty)
        {
            nint count;
            fixed (byte* start = content)
            {
                count = write(fd, start, content.Length);
            }

            if (count >= 0)
            {
                content = content[(int)count..];
            }
            else if (Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                throw KernelException.Last("write", target);
            }
        }
    }

    /// <summary>
    /// One write(2) of a whole text into a file of the kernel, as /proc and cgroup files want it. (.NET's file streams ask such files for
    /// length and position first, and buffer.)
    /// </summary>
    public static void WriteFile(string path, string content)
    {
        using var file = Fcntl.open(path, Fcntl.O_WRONLY | Fcntl.O_CLOEXEC);
        WriteAll(file.Number, System.Text.Encoding.UTF8.GetBytes(content), path);
    }

    public static (FileDescriptor Read, FileDescriptor Write) pipe2(int flags)
    {
        var ends = stackalloc int[2];
        return pipe2_(ends, flags) == 0
            ? (new FileDescriptor(ends[0]), new FileDescriptor(ends[1]))
            : throw KernelException.Last("pipe2");
    }

    /// <summary>Returns only on failure.</summary>
    public static void execv(string path, IReadOnlyList<string> arguments)
    {
        var vector = new nint[arguments.Count + 1];
        for (var i = 0; i < arguments.Count; i++)
        {
            vector[i] = Marshal.StringToCoTaskMemUTF8(arguments[i]);
        }

        fixed (nint* start = vector)
        {
            execv_(path, start);
        }

        var failure = KernelException.Last("execv", path);
        Array.ForEach(vector, Marshal.FreeCoTaskMem);
        throw failure;
    }

    public static uint geteuid() => geteuid_();

    public static void dup3(int from, int to, int flags)
    {
        if (dup3_(from, to, flags) < 0)
        {
            throw KernelException.Last("dup3");
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, byte* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fd, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static partial int pipe2_(int* ends, int flags);

    [LibraryImport("libc", EntryPoint = "execv", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int execv_(string path, nint* arguments);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint geteuid_();

    [LibraryImport("libc", EntryPoint = "dup3", SetLastError = true)]
    private static partial int dup3_(int from, int to, int flags);
}
