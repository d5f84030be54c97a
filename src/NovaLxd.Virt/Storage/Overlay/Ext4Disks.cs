using System.Diagnostics;
using System.Text;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>
/// Mounts a disk (ext4 in a file) by a loop device. The open file is locked (flock(2)) before it is attached, and the loop device keeps the lock as
/// long as it lives: a disk still in use, be it only by a mount in another namespace, cannot be attached a second time, which would ruin it; the device
/// that has it is mounted again instead, and the kernel then gives the same file system.
/// </summary>
internal sealed class Ext4Disks(BlockingWork work)
{
    /// <summary>discard: what the guest deletes is given back to the host, as the file is sparse.</summary>
    private const string MountOptions = "discard,errors=remount-ro";

    /// <summary>How long a disk may be held by somebody who lets go of it: udevd looks at every loop device that was written to.</summary>
    private static readonly TimeSpan HeldLimit = TimeSpan.FromSeconds(15);

    /// <summary>The same where a guest has just been stopped to leave: a wait costs less than another try.</summary>
    private static readonly TimeSpan LeaveLimit = TimeSpan.FromMinutes(2);

    /// <summary>Mounts a disk on a folder, after a check if it needs one (an unclean stop does not: the kernel replays the journal).</summary>
    /// <exception cref="ContainerStateException">The disk is damaged beyond what may be repaired without a person.</exception>
    public async Task MountAsync(string path, string folder, CancellationToken cancellationToken)
    {
        var error = await MountWhenFreeAsync(path, folder, cancellationToken).ConfigureAwait(false);
        if (error is Errno.EUCLEAN or Errno.EBADMSG or Errno.EINVAL or Errno.EIO)
        {
            await CheckAsync(path, cancellationToken).ConfigureAwait(false);
            error = await MountWhenFreeAsync(path, folder, cancellationToken).ConfigureAwait(false);
        }

        if (error == Errno.EBUSY)
        {
            throw new ContainerStateException($"The disk {path} is held by another program; flock(1) or lsof(8) tell which.");
        }

        if (error != 0)
        {
            throw new KernelException(error, "mount", $"{path} on {folder}");
        }
    }

    /// <summary>Opens a disk that is not mounted for reading; nobody can mount it until the handle is closed.</summary>
    /// <exception cref="ContainerStateException">Somebody else has it.</exception>
    public async Task<SafeFileHandle> LockAsync(string path, CancellationToken cancellationToken)
    {
        var begun = Stopwatch.GetTimestamp();
        var disk = Open(path, writable: false);
        try
        {
            while (!Flock.TryLock(disk))
            {
                if (Stopwatch.GetElapsedTime(begun) >= LeaveLimit)
                {
                    throw new ContainerStateException($"The disk {path} is held by another program; flock(1) or lsof(8) tell which.");
                }

                await Task.Delay(50, cancellationToken).ConfigureAwait(false);
            }

            return disk;
        }
        catch
        {
            disk.Dispose();
            throw;
        }
    }

    /// <returns>0, or errno: EUCLEAN when a check has to come first, EBUSY when another program holds the disk.</returns>
    public static int TryMount(string path, string folder)
    {
        using var disk = Open(path, writable: true);
        return TryMount(disk, path, folder);
    }

    /// <summary>Opens a disk without .NET's own lock, which would collide with ours and take it away when the handle is closed.</summary>
    public static SafeFileHandle Open(string path, bool writable)
    {
        using var folder = DirectoryHandle.Open(Path.GetDirectoryName(path)!);
        return folder.OpenFile(Encoding.UTF8.GetBytes(Path.GetFileName(path)), writable);
    }

    /// <param name="disk">The file, from <see cref="Open"/>; may be closed after this.</param>
    /// <param name="path">Its name, for losetup(8).</param>
    /// <param name="folder">Where to mount.</param>
    public static int TryMount(SafeFileHandle disk, string path, string folder)
    {
        if (!Flock.TryLock(disk))
        {
            using var attached = Loop.Find(FileStatus.Of(disk));
            return attached is null ? Errno.EBUSY : FileSystemMount.Attach(attached.Path, folder, "ext4", MountOptions);
        }

        if (ReadSuperblock(disk) is not { HasErrors: false })
        {
            return Errno.EUCLEAN;
        }

        using var device = Loop.Attach(disk, path);
        return FileSystemMount.Attach(device.Path, folder, "ext4", MountOptions);
    }

    public static Ext4Superblock? ReadSuperblock(SafeFileHandle disk)
    {
        var block = new byte[Ext4Superblock.Size];
        return RandomAccess.Read(disk, block, Ext4Superblock.Position) == block.Length ? Ext4Superblock.Parse(block) : null;
    }

    /// <returns>0, or errno; EBUSY when somebody does not let go of the disk.</returns>
    private async Task<int> MountWhenFreeAsync(string path, string folder, CancellationToken cancellationToken)
    {
        var begun = Stopwatch.GetTimestamp();
        int error;
        while ((error = await work.RunAsync(() => TryMount(path, folder), cancellationToken).ConfigureAwait(false)) == Errno.EBUSY && Stopwatch.GetElapsedTime(begun) < HeldLimit)
        {
            await Task.Delay(50, cancellationToken).ConfigureAwait(false);
        }

        return error;
    }

    private static async Task CheckAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await CommandRunner.RunAsync(["e2fsck", "-f", "-p", path], cancellationToken).ConfigureAwait(false);
        }
        catch (CommandFailedException e) when (e.ExitCode == 1)
        {
            // Damage was found and repaired (e2fsck(8), exit code).
        }
        catch (CommandFailedException e)
        {
            throw new ContainerStateException(
                $"The disk {path} is damaged and e2fsck does not repair it by itself ({e.Message}). Run e2fsck on it by hand, or rebuild the instance.");
        }
    }
}
