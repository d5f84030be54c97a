using System.Text;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/statvfs.h: size and use in bytes of the file system a path lies on. Used counts what is reserved for root as free.</summary>
internal readonly record struct FileSystemUsage(long TotalBytes, long UsedBytes)
{
    public static unsafe FileSystemUsage Of(string path)
    {
        statvfs status;
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            if (statvfs(name, &status) != 0)
            {
                throw KernelException.Last("statvfs", path);
            }
        }

        var unit = (long)(ulong)status.f_frsize;
        var total = (long)(ulong)status.f_blocks * unit;
        return new FileSystemUsage(total, total - ((long)(ulong)status.f_bfree * unit));
    }
}
