using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/xattr.h for open files.</summary>
internal static partial class Xattr
{
    public const string SecurityCapability = "security.capability";

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

    [LibraryImport("libc", EntryPoint = "fsetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int FSetXattr(SafeHandle file, string name, ReadOnlySpan<byte> value, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "fgetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint FGetXattr(SafeHandle file, string name, Span<byte> value, nuint size);
}
