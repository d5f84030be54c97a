using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NovaLxd.Virt.Kernel;

/// <summary>sys/mman.h.</summary>
internal static partial class SysMman
{
    public const int PROT_READ = 1;
    public const int PROT_WRITE = 2;
    public const int PROT_EXEC = 4;
    public const int MAP_PRIVATE = 2;
    public const int MAP_ANONYMOUS = 0x20;

    /// <summary>Anonymous private memory of <paramref name="length"/> bytes, zeroed, readable and writable.</summary>
    public static MappedMemory mmap(int length)
    {
        var address = mmap_(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return address != -1 ? new MappedMemory(address, length) : throw KernelException.Last("mmap");
    }

    public static void mprotect(MappedMemory memory, int protection)
    {
        if (mprotect_(memory.Address, memory.Length, protection) != 0)
        {
            throw KernelException.Last("mprotect");
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint mmap_(nint address, nint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int mprotect_(nint address, nint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int munmap(nint address, nint length);
}

/// <summary>Pages that do not move and are not collected; unmapped once.</summary>
internal sealed class MappedMemory : SafeHandleMinusOneIsInvalid
{
    public MappedMemory(nint address, int length)
        : base(ownsHandle: true)
    {
        SetHandle(address);
        Length = length;
    }

    public nint Address => handle;

    public int Length { get; }

    protected override bool ReleaseHandle() => SysMman.munmap(handle, Length) == 0;
}
