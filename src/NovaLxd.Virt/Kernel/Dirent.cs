using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>An entry of a directory: its name as the kernel has it (bytes, no terminator) and its type.</summary>
internal readonly record struct DirectoryEntry(byte[] Name, byte Type)
{
    /// <summary>DT_UNKNOWN and DT_DIR.</summary>
    public const byte TypeUnknown = 0;

    public const byte TypeDirectory = 4;
}

/// <summary>getdents64(2). File names are bytes on Linux and need not be UTF-8, which is why .NET's own enumeration is not used for what guests wrote.</summary>
internal static partial class Dirent
{
    private static readonly long _getdents64 = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 217,
        _ => 61, // asm-generic/unistd.h (arm64, riscv64)
    };

    /// <summary>Calls <paramref name="visit"/> for every entry but "." and ".." of a directory just opened for reading.</summary>
    public static unsafe void Read(SafeHandle directory, Action<DirectoryEntry> visit)
    {
        const int size = 32 * 1024;
        var buffer = stackalloc byte[size];
        while (true)
        {
            var read = (int)Syscall((nint)_getdents64, directory, buffer, size);
            if (read < 0)
            {
                throw KernelException.Last("getdents64");
            }

            if (read == 0)
            {
                return;
            }

            // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name to the terminator.
            for (var rest = new ReadOnlySpan<byte>(buffer, read); rest.Length > 0;)
            {
                var length = BinaryPrimitives.ReadUInt16LittleEndian(rest[16..]);
                var name = rest[19..length];
                name = name[..name.IndexOf((byte)0)];
                if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                {
                    visit(new DirectoryEntry(name.ToArray(), rest[18]));
                }

                rest = rest[length..];
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint Syscall(nint number, SafeHandle directory, byte* buffer, nuint size);
}
