using System.Globalization;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>
/// Makes a disk (ext4 in a file) that is not mounted larger or smaller, with everything on it. The kernel would do the first on a mounted disk, but asks for
/// CAP_SYS_RESOURCE, which root does not have everywhere, and never does the second.
/// <para>
/// What resize2fs overwrites it writes to an undo file first (-z), by which <see cref="TakeBackAsync"/> brings back a disk whose change was cut short. The
/// programs run under the lock that a mounted disk has (<see cref="Ext4Disks"/>), and hold it themselves: neither the mount of a dying namespace nor a program
/// that outlived a killed service ever meets another.
/// </para>
/// </summary>
internal static class Ext4Resize
{
    private const int Kibibyte = 1024;
    private const int StillHeld = 99;

    /// <summary>Seconds that the disk may be in use after it was unmounted, or by what a killed service began.</summary>
    private const string HeldLimit = "120";

    /// <param name="path">The disk.</param>
    /// <param name="journal">Where the undo file may be meanwhile.</param>
    /// <param name="newSize">Size it is to have, in bytes.</param>
    /// <param name="cancellationToken">The disk is brought back.</param>
    /// <exception cref="ContainerStateException">The disk is in use, damaged, or holds more than the new size; it is as it was.</exception>
    public static async Task ResizeAsync(string path, string journal, long newSize, CancellationToken cancellationToken)
    {
        await CheckAsync(path, cancellationToken).ConfigureAwait(false);
        try
        {
            SetLength(path, length => Math.Max(length, newSize));
            await RunAsync(path, ["resize2fs", "-z", journal, path, string.Create(CultureInfo.InvariantCulture, $"{newSize / Kibibyte}K")], cancellationToken)
                .ConfigureAwait(false);
            File.Delete(journal);
            CutOff(path);
        }
        catch (Exception e)
        {
            await TakeBackAsync(path, journal, CancellationToken.None).ConfigureAwait(false);
            if (e is CommandFailedException failed && failed.Message.Contains("smaller than minimum", StringComparison.Ordinal))
            {
                throw TooSmall(path, newSize);
            }

            throw;
        }
    }

    /// <summary>
    /// Undoes a change that was not finished, when there was one. resize2fs marks the disk as faulty before it changes anything and takes the mark away when it
    /// is done; then it cuts off the end of a smaller disk, so that what is done must not be undone.
    /// </summary>
    /// <param name="path">The disk.</param>
    /// <param name="journal">The undo file.</param>
    /// <param name="cancellationToken">All of it may be repeated.</param>
    public static async Task TakeBackAsync(string path, string journal, CancellationToken cancellationToken)
    {
        if (!File.Exists(journal))
        {
            return;
        }

        // Also waits for a program that outlived a killed service.
        var state = await RunAsync(path, ["dumpe2fs", "-h", path], cancellationToken).ConfigureAwait(false);
        if (state.Split('\n').Any(line => line.StartsWith("Filesystem state:", StringComparison.Ordinal) && line.Contains("errors", StringComparison.Ordinal)))
        {
            await RunAsync(path, ["e2undo", "-f", journal, path], cancellationToken).ConfigureAwait(false);
        }

        await CheckAsync(path, cancellationToken).ConfigureAwait(false);
        File.Delete(journal);
        CutOff(path);
    }

    /// <summary>Size of the file system, whatever is recorded of it.</summary>
    public static long SizeOf(string path)
    {
        using var disk = Ext4Disks.Open(path, writable: false);
        return Ext4Disks.ReadSuperblock(disk) is { } block
            ? block.Blocks * block.BlockSize
            : throw new ContainerStateException($"The disk {path} is damaged: it has no superblock. Run e2fsck on it by hand, or rebuild the instance.");
    }

    /// <summary>Takes away what the file has behind its file system.</summary>
    public static void CutOff(string path)
    {
        var size = SizeOf(path);
        SetLength(path, length => Math.Min(length, size));
    }

    /// <summary>resize2fs asks for a full check first.</summary>
    private static async Task CheckAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync(path, ["e2fsck", "-f", "-p", path], cancellationToken).ConfigureAwait(false);
        }
        catch (CommandFailedException e) when (e.ExitCode == 1)
        {
            // Something was put right (e2fsck(8), exit code).
        }
        catch (CommandFailedException e)
        {
            throw new ContainerStateException(
                $"The disk {path} is damaged and e2fsck does not repair it by itself ({e.Message}). Run e2fsck on it by hand, or rebuild the instance.");
        }
    }

    /// <returns>What it printed.</returns>
    private static async Task<string> RunAsync(string path, string[] command, CancellationToken cancellationToken)
    {
        try
        {
            return await CommandRunner.RunAsync(
                ["flock", "-x", "-w", HeldLimit, "-E", StillHeld.ToString(CultureInfo.InvariantCulture), path, .. command], cancellationToken).ConfigureAwait(false);
        }
        catch (CommandFailedException e) when (e.ExitCode == StillHeld)
        {
            throw new ContainerStateException($"The disk {path} is still in use and cannot be resized; flock(1) or lsof(8) tell by whom.");
        }
    }

    private static void SetLength(string path, Func<long, long> change)
    {
        using var disk = Ext4Disks.Open(path, writable: true);
        var length = RandomAccess.GetLength(disk);
        if (change(length) is var wanted && wanted != length)
        {
            RandomAccess.SetLength(disk, wanted);
        }
    }

    private static ContainerStateException TooSmall(string path, long size)
    {
        using var disk = Ext4Disks.Open(path, writable: false);
        var used = (Ext4Disks.ReadSuperblock(disk)?.UsedBytes ?? 0) >> 20;
        return new ContainerStateException($"The {Path.GetFileNameWithoutExtension(path)} disk holds {used} MiB of files, which do not fit into {size >> 20} MiB.");
    }
}
