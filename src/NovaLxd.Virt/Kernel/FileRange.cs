using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>Copies of files which keep their holes: FICLONE where the file system shares blocks, else SEEK_DATA, SEEK_HOLE and copy_file_range(2), or by reading and writing.</summary>
internal static partial class FileRange
{
    private const nuint FiClone = 0x40049409;
    private const int SeekData = 3;
    private const int SeekHole = 4;

    /// <summary>The most that one call copies: a signal does not end it, nor does our own wish.</summary>
    private const long LongestCopy = 64 << 20;

    private const int BufferSize = 256 * 1024;

    /// <summary>Gives <paramref name="target"/>, which is empty, size and content of <paramref name="source"/>.</summary>
    public static void CopySparse(SafeFileHandle source, SafeFileHandle target, CancellationToken cancellationToken)
    {
        if (TryClone(source, target))
        {
            return;
        }

        RandomAccess.SetLength(target, RandomAccess.GetLength(source));
        foreach (var (start, length) in DataOf(source))
        {
            CopyExtent(source, target, start, length, cancellationToken);
        }
    }

    /// <summary>Lets <paramref name="target"/>, which is empty, share the blocks of <paramref name="source"/> as they are at this instant; false where that cannot be.</summary>
    public static bool TryClone(SafeFileHandle source, SafeFileHandle target) =>
        Ioctl(target, FiClone, source) == 0
        || (Marshal.GetLastPInvokeError() is Errno.EOPNOTSUPP or Errno.ENOTTY or Errno.ENOSYS or Errno.EXDEV or Errno.EINVAL or Errno.EPERM
            ? false
            : throw KernelException.Last("ioctl FICLONE"));

    /// <summary>The parts of a file that have data, in order.</summary>
    public static IEnumerable<(long Start, long Length)> DataOf(SafeFileHandle file)
    {
        for (long end = 0; TryFindData(file, end, out var start);)
        {
            end = FindHole(file, start);
            yield return (start, end - start);
        }
    }

    /// <summary>The next byte at or after an offset that is not in a hole; false: there is none.</summary>
    public static bool TryFindData(SafeFileHandle file, long from, out long start)
    {
        start = Seek(file, from, SeekData);
        return start >= 0
            || (Marshal.GetLastPInvokeError() == ENXIO ? false : throw KernelException.Last("lseek SEEK_DATA"));
    }

    /// <summary>The next hole after data; the end of the file is one.</summary>
    public static long FindHole(SafeFileHandle file, long from) =>
        Seek(file, from, SeekHole) is var end and >= 0 ? end : throw KernelException.Last("lseek SEEK_HOLE");

    private static unsafe void CopyExtent(SafeFileHandle source, SafeFileHandle target, long offset, long length, CancellationToken cancellationToken)
    {
        long from = offset, to = offset;
        while (length > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var copied = CopyFileRange(source, &from, target, &to, (nuint)Math.Min(length, LongestCopy), 0);
            if (copied < 0)
            {
                // Between file systems, which the kernel copies by itself only where they are of one network server.
                if (Marshal.GetLastPInvokeError() is Errno.EXDEV or Errno.EOPNOTSUPP or Errno.ENOSYS or Errno.EINVAL)
                {
                    CopyThroughMemory(source, target, from, length, cancellationToken);
                    return;
                }

                throw KernelException.Last("copy_file_range");
            }

            if (copied == 0)
            {
                return; // Somebody made the file shorter meanwhile.
            }

            length -= copied;
        }
    }

    private static void CopyThroughMemory(SafeFileHandle source, SafeFileHandle target, long offset, long length, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (long end = offset + length; offset < end;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var read = RandomAccess.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - offset)), offset);
                if (read == 0)
                {
                    return; // As above.
                }

                RandomAccess.Write(target, buffer.AsSpan(0, read), offset);
                offset += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeFileHandle target, nuint request, SafeFileHandle source);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "copy_file_range", SetLastError = true)]
    private static unsafe partial nint CopyFileRange(SafeFileHandle source, long* from, SafeFileHandle target, long* to, nuint length, uint flags);
}
