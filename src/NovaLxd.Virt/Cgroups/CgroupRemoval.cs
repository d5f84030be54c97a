using NovaLxd.Virt.Kernel;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Cgroups;

/// <summary>Removes a directory of cgroupfs with the children a guest made below it, however deep they are.</summary>
internal static class CgroupRemoval
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static void Remove(string directory)
    {
        // Children first, and without recursion: the depth is the guest's choice.
        var pending = new Stack<string>([directory]);
        var leaves = new Stack<string>();
        while (pending.TryPop(out var next))
        {
            leaves.Push(next);
            foreach (var child in Children(next))
            {
                pending.Push(child);
            }
        }

        while (leaves.TryPop(out var next))
        {
            RemoveEmpty(next);
        }
    }

    /// <summary>The child directories; none when the directory has gone meanwhile.</summary>
    public static string[] Children(string directory)
    {
        try
        {
            return Directory.GetDirectories(directory);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    /// <summary>EBUSY goes away by itself for a moment after the last process died.</summary>
    private static void RemoveEmpty(string directory)
    {
        var start = TimeProvider.System.GetTimestamp();
        int error;
        while ((error = CgroupFile.TryRemoveDirectory(directory)) == EBUSY && TimeProvider.System.GetElapsedTime(start) < Patience)
        {
            CgroupFile.Pause(5);
        }

        if (error != 0 && error != ENOENT)
        {
            throw new KernelException(error, "rmdir", directory);
        }
    }
}
