using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Cgroups;

/// <summary>
/// Reads and writes the small files of cgroupfs with bare system calls: one write(2) is one order to the kernel, and its errno is the answer, which
/// the framework's exceptions only partly keep.
/// </summary>
internal static unsafe class CgroupFile
{
    /// <exception cref="KernelException">Names the file and the value.</exception>
    public static void Write(string path, string value)
    {
        var error = TryWrite(path, value);
        if (error != 0)
        {
            throw new KernelException(error, "write", $"'{value}' to {path}");
        }
    }

    /// <summary>0, or errno of open(2) or write(2).</summary>
    public static int TryWrite(string path, string value)
    {
        using var file = Open(path, O_WRONLY | O_CLOEXEC);
        if (file.IsInvalid)
        {
            return Marshal.GetLastPInvokeError();
        }

        var bytes = Encoding.UTF8.GetBytes(value + "\n");
        fixed (byte* p = bytes)
        {
            return write(Number(file), p, bytes.Length) < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
    }

    public static string Read(string path) => ReadOrNull(path) ?? throw new KernelException(ENOENT, "open", path);

    /// <summary>Null when there is no such file, or its cgroup has just been removed (ENODEV).</summary>
    public static string? ReadOrNull(string path)
    {
        using var file = Open(path, O_RDONLY | O_CLOEXEC);
        if (file.IsInvalid)
        {
            return Marshal.GetLastPInvokeError() is var error && error == ENOENT ? null : throw new KernelException(error, "open", path);
        }

        return ReadAll(file, path);
    }

    /// <summary>The whole content from its beginning; null when the cgroup has gone.</summary>
    public static string? ReadAll(SafeFileHandle file, string path)
    {
        var buffer = new byte[4096];
        var length = 0;
        while (true)
        {
            fixed (byte* p = buffer)
            {
                var read = (long)pread(Number(file), p + length, buffer.Length - length, length);
                if (read < 0)
                {
                    return Marshal.GetLastPInvokeError() is var error && error == ENODEV ? null : throw new KernelException(error, "read", path);
                }

                if (read == 0)
                {
                    return Encoding.UTF8.GetString(buffer, 0, length);
                }

                length += (int)read;
            }

            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, buffer.Length * 2);
            }
        }
    }

    /// <summary>An invalid handle when open(2) failed; errno is Marshal.GetLastPInvokeError.</summary>
    public static SafeFileHandle Open(string path, int flags)
    {
        fixed (byte* p = NullTerminated(path))
        {
            var fd = open(p, flags, default);
            var error = Marshal.GetLastPInvokeError();
            var handle = new SafeFileHandle(fd, ownsHandle: true);
            Marshal.SetLastPInvokeError(error);
            return handle;
        }
    }

    /// <summary>The descriptor's number; the handle must outlive its use.</summary>
    public static int Number(SafeFileHandle file) => (int)file.DangerousGetHandle();

    /// <summary>0, or errno of rmdir(2).</summary>
    public static int TryRemoveDirectory(string path)
    {
        fixed (byte* p = NullTerminated(path))
        {
            return rmdir(p) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>0, or errno of mkdir(2); mode 0755.</summary>
    public static int TryMakeDirectory(string path)
    {
        fixed (byte* p = NullTerminated(path))
        {
            return mkdir(p, 0x1ED) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>Gives a file or directory to a user and group id of the host; one that is missing is left out.</summary>
    public static void ChangeOwner(string path, uint id)
    {
        fixed (byte* p = NullTerminated(path))
        {
            if (lchown(p, id, id) != 0 && Marshal.GetLastPInvokeError() is var error && error != ENOENT)
            {
                throw new KernelException(error, "lchown", path);
            }
        }
    }

    /// <summary>Waits for the next change of a cgroup.events file (cgroup-v2.rst: POLLPRI), at most <paramref name="milliseconds"/>.</summary>
    public static void WaitForEvent(SafeFileHandle file, int milliseconds)
    {
        var poll = new pollfd { fd = Number(file), events = POLLPRI };
        _ = LibC.poll(&poll, 1, milliseconds); // Whatever ended it, the caller looks again.
    }

    /// <summary>For files of v1, whose changes nobody announces.</summary>
    public static void Pause(int milliseconds) => _ = LibC.poll(null, 0, milliseconds);

    private static byte[] NullTerminated(string path)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(path) + 1];
        Encoding.UTF8.GetBytes(path, bytes);
        return bytes;
    }
}
