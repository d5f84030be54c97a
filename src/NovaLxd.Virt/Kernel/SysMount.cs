using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>linux/mount.h and sys/mount.h: the calls of the new mount interface, and the flags of both.</summary>
internal static unsafe class SysMount
{
    public const uint MS_RDONLY = 1;
    public const uint MS_NOSUID = 2;
    public const uint MS_NODEV = 4;
    public const uint MS_NOEXEC = 8;
    public const uint MS_REMOUNT = 32;
    public const uint MS_NOATIME = 1024;
    public const uint MS_BIND = 4096;
    public const uint MS_REC = 16384;
    public const uint MS_PRIVATE = 1 << 18;
    public const uint MS_SLAVE = 1 << 19;
    public const uint MS_RELATIME = 1 << 21;
    public const uint MS_STRICTATIME = 1 << 24;
    public const uint MNT_DETACH = 2;

    public const uint FSOPEN_CLOEXEC = 1;
    public const uint FSMOUNT_CLOEXEC = 1;
    public const uint FSCONFIG_SET_FLAG = 0;
    public const uint FSCONFIG_SET_STRING = 1;
    public const uint FSCONFIG_CMD_CREATE = 6;

    public const uint OPEN_TREE_CLONE = 1;
    public const uint OPEN_TREE_CLOEXEC = Fcntl.O_CLOEXEC;
    public const uint MOVE_MOUNT_F_EMPTY_PATH = 4;
    public const uint MOVE_MOUNT_T_EMPTY_PATH = 0x40;

    public const ulong MOUNT_ATTR_RDONLY = 1;
    public const ulong MOUNT_ATTR_NOSUID = 2;
    public const ulong MOUNT_ATTR_NODEV = 4;
    public const ulong MOUNT_ATTR_NOEXEC = 8;
    public const ulong MOUNT_ATTR_IDMAP = 0x0010_0000;

    [StructLayout(LayoutKind.Sequential)]
    public struct mount_attr
    {
        public ulong attr_set;
        public ulong attr_clr;
        public ulong propagation;
        public ulong userns_fd;
    }

    public static FileDescriptor fsopen(string fsname, uint flags)
    {
        using var name = new NativeText(fsname);
        return new FileDescriptor((int)SyscallFunction.Invoke(Syscall.fsopen, fsname, name.Address, flags));
    }

    public static void fsconfig(FileDescriptor fs, uint command, string? key, string? value)
    {
        using var nativeKey = new NativeText(key);
        using var nativeValue = new NativeText(value);
        SyscallFunction.Invoke(Syscall.fsconfig, key is null ? null : $"{key}={value}", fs.Number, command, nativeKey.Address, nativeValue.Address);
    }

    /// <returns>A mount that is not attached anywhere and vanishes with the descriptor.</returns>
    public static FileDescriptor fsmount(FileDescriptor fs, uint flags, ulong attributes, string target) =>
        new((int)SyscallFunction.Invoke(Syscall.fsmount, target, fs.Number, flags, (long)attributes));

    public static FileDescriptor open_tree(int directory, string path, uint flags)
    {
        using var name = new NativeText(path);
        return new FileDescriptor((int)SyscallFunction.Invoke(Syscall.open_tree, path, directory, name.Address, flags));
    }

    public static void mount_setattr(FileDescriptor mount, mount_attr attributes, string target)
    {
        using var empty = new NativeText("");
        SyscallFunction.Invoke(Syscall.mount_setattr, target, mount.Number, empty.Address, Fcntl.AT_EMPTY_PATH, (long)&attributes, sizeof(mount_attr));
    }

    public static void move_mount(FileDescriptor mount, string target)
    {
        using var empty = new NativeText("");
        using var name = new NativeText(target);
        SyscallFunction.Invoke(Syscall.move_mount, target, mount.Number, empty.Address, Fcntl.AT_FDCWD, name.Address, MOVE_MOUNT_F_EMPTY_PATH);
    }
}
