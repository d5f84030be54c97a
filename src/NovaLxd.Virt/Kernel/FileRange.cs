using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>Copies of files which keep their holes: FICLONE where the file system shares blocks, else SEEK_DATA, SEEK_HOLE and copy_file_range(2).</summary>
internal static partial class FileRange
{
    private const nuint FiClone = 0x40049409;
    private const int SeekData = 3;
    private const int SeekHole = 4;

    /// <summary>Gives <paramref name="target"/>, which is empty, size and content of <paramref name="source"/>.</summary>
    public static void CopySparse(SafeFileHandle source, SafeFileHandle target)
    {
        if (Ioctl(target, FiClone, source) == 0)
        {
            return;
        }

        var size = RandomAccess.GetLength(source);
        RandomAccess.SetLength(target, size);
        for (long end = 0; NextData(source, end, out var start);)
        {
            end = Seek(source, start, SeekHole);
            if (end < 0)
            {
                throw KernelException.Last("lseek SEEK_HOLE");
            }

            CopyExtent(source, target, start, end - start);
        }
    }

    private static bool NextData(SafeFileHandle file, long from, out long start)
    {
        start = Seek(file, from, SeekData);
        return start >= 0
            || (Marshal.GetLastPInvokeError() == ENXIO ? false : throw KernelException.Last("lseek SEEK_DATA"));
    }

    private static unsafe void CopyExtent(SafeFileHandle source, SafeFileHandle target, long offset, long length)
    {
        long from = offset, to = offset;
        while (length > 0)
        {
            var copied = CopyFileRange(source, &from, target, &to, (nuint)length, 0);
            if (copied <= 0)
            {
                throw KernelException.Last("copy_file_range");
            }

            length -= copied;
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeFileHandle target, nuint request, SafeFileHandle source);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "copy_file_range", SetLastError = true)]
    private static unsafe partial nint CopyFileRange(SafeFileHandle source, long* from, SafeFileHandle target, long* to, nuint length, uint flags);
}
