using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>pwrite(2), whole.</summary>
internal static unsafe class FileData
{
    /// <exception cref="KernelException">ENOSPC and EDQUOT among others: .NET's own writes hide which.</exception>
    public static void Write(SafeFileHandle file, ReadOnlySpan<byte> data, long offset)
    {
        fixed (byte* start = data)
        {
            for (var done = 0; done < data.Length;)
            {
                var written = (long)pwrite((int)file.DangerousGetHandle(), start + done, data.Length - done, offset + done);
                if (written >= 0)
                {
                    done += (int)written;
                }
                else if (errno != EINTR)
                {
                    throw KernelException.Last("pwrite");
                }
            }
        }
    }
}
