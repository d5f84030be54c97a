using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>What stat(2) says of a file. <paramref name="Mode"/> holds type and permission bits, <paramref name="Blocks"/> counts 512 bytes.</summary>
internal readonly record struct FileStatus(
    uint Mode, uint UserId, uint GroupId, long Size, long Blocks, ulong Inode, ulong Device, long ModifiedSeconds, long ModifiedNanoseconds)
{
    /// <summary>When anything of it was last changed: unlike the modification time, nobody can set it.</summary>
    public required (long Seconds, long Nanoseconds) Changed { get; init; }

    /// <summary>How many names it has.</summary>
    public required ulong Links { get; init; }

    /// <summary>Of a device node: which device.</summary>
    public required ulong Node { get; init; }

    /// <summary>Type bits of st_mode (inode(7)).</summary>
    public const uint TypeMask = 0xF000;

    public const uint Directory = 0x4000;

    public const uint RegularFile = 0x8000;

    public const uint SymbolicLink = 0xA000;

    public const uint CharacterDevice = 0x2000;

    public const uint BlockDevice = 0x6000;

    public const uint Fifo = 0x1000;

    public const uint Socket = 0xC000;

    /// <summary>rwx for all, set-user-ID, set-group-ID and sticky.</summary>
    public const uint PermissionMask = 0xFFF;

    public uint Type => Mode & TypeMask;

    public uint Permissions => Mode & PermissionMask;

    public bool IsDirectory => Type == Directory;

    public bool IsSymbolicLink => Type == SymbolicLink;

    public bool IsRegularFile => Type == RegularFile;

    /// <summary>gnu_dev_major(3): the number of a device is spread over its bits in two pieces.</summary>
    public uint NodeMajor => (uint)(((Node >> 8) & 0xFFF) | ((Node >> 32) & 0xFFFFF000));

    public uint NodeMinor => (uint)((Node & 0xFF) | ((Node >> 12) & 0xFFFFFF00));

    /// <summary>fstat(2).</summary>
    public static unsafe FileStatus Of(System.Runtime.InteropServices.SafeHandle file)
    {
        var held = false;
        file.DangerousAddRef(ref held);
        try
        {
            stat status;
            return fstat((int)file.DangerousGetHandle(), &status) == 0 ? From(status) : throw KernelException.Last("fstat");
        }
        finally
        {
            file.DangerousRelease();
        }
    }

    public static FileStatus From(in stat status) => new(
        (uint)status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_size,
        status.st_blocks,
        status.st_ino,
        status.st_dev,
        (long)status.st_mtim.tv_sec,
        (long)status.st_mtim.tv_nsec)
    {
        Changed = ((long)status.st_ctim.tv_sec, (long)status.st_ctim.tv_nsec),
        Links = (ulong)status.st_nlink,
        Node = status.st_rdev,
    };
}
