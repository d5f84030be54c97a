using System.Text;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>mount(2) and umount2(2) of a block device's file system on the host.</summary>
internal static unsafe class FileSystemMount
{
    /// <summary>
    /// Mounts with nosuid, nodev and noexec. An overlay above has flags of its own, so a guest does not notice; but nobody on the host can run
    /// what a guest wrote.
    /// </summary>
    /// <returns>0, or errno.</returns>
    public static int Attach(string device, string folder, string type, string options)
    {
        fixed (byte* source = Bytes(device), target = Bytes(folder), name = Bytes(type), data = Bytes(options))
        {
            return mount(source, target, name, MS_NOSUID | MS_NODEV | MS_NOEXEC, data) == 0 ? 0 : errno;
        }
    }

    /// <summary>Unmounts; false when nothing was mounted there.</summary>
    /// <exception cref="KernelException">EBUSY: a process of the host has a file open in it or stands in it.</exception>
    public static bool Detach(string folder)
    {
        const int noFollow = 8; // UMOUNT_NOFOLLOW
        fixed (byte* target = Bytes(folder))
        {
            return umount2(target, noFollow) == 0
                || (errno is var error && error is Errno.ENOENT or Errno.EINVAL ? false : throw new KernelException(error, "umount", folder));
        }
    }

    /// <summary>
    /// Whether a folder is the root of a mounted file system of its own: its device is not its parent's. Two stat(2) instead of a look
    /// through /proc/self/mountinfo, which has a line for every container.
    /// </summary>
    public static bool IsMountPoint(string parent, string name)
    {
        using var folder = DirectoryHandle.Open(parent);
        return folder.Stat(Encoding.UTF8.GetBytes(name)) is { } inside && inside.Device != FileStatus.Of(folder).Device;
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text + '\0');
}
