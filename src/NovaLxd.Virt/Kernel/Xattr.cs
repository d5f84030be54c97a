using System.Runtime.InteropServices;
using System.Text;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/xattr.h for open files.</summary>
internal static partial class Xattr
{
    public const string SecurityCapability = "security.capability";

    public const string AccessAcl = "system.posix_acl_access";

    public const string DefaultAcl = "system.posix_acl_default";

    /// <summary>fsetxattr(2): 0, or errno.</summary>
    public static int Set(SafeHandle file, string name, ReadOnlySpan<byte> value) =>
        FSetXattr(file, name, value, (nuint)value.Length, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>fgetxattr(2); null when the file has no such attribute.</summary>
    public static byte[]? Get(SafeHandle file, string name)
    {
        Span<byte> buffer = new byte[64 * 1024];
        var length = FGetXattr(file, name, buffer, (nuint)buffer.Length);
        return length >= 0 ? buffer[..(int)length].ToArray()
            : Marshal.GetLastPInvokeError() is Errno.ENODATA or Errno.EOPNOTSUPP ? null
            : throw KernelException.Last("fgetxattr", name);
    }

    /// <summary>flistxattr(2): names of all attributes; none where the file system has no attributes.</summary>
    public static IReadOnlyList<string> List(SafeHandle file)
    {
        // The kernel has no longer list than this (XATTR_LIST_MAX).
        var length = FListXattr(file, [], 0);
        if (length > 0)
        {
            Span<byte> buffer = new byte[64 * 1024];
            length = FListXattr(file, buffer, (nuint)buffer.Length);
            if (length > 0)
            {
                return Encoding.UTF8.GetString(buffer[..(int)length]).Split('\0', StringSplitOptions.RemoveEmptyEntries);
            }
        }

        return length == 0 || Marshal.GetLastPInvokeError() == Errno.EOPNOTSUPP ? [] : throw KernelException.Last("flistxattr");
    }

    [LibraryImport("libc", EntryPoint = "flistxattr", SetLastError = true)]
    private static partial nint FListXattr(SafeHandle file, Span<byte> names, nuint size);

    [LibraryImport("libc", EntryPoint = "fsetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int FSetXattr(SafeHandle file, string name, ReadOnlySpan<byte> value, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "fgetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint FGetXattr(SafeHandle file, string name, Span<byte> value, nuint size);
}
