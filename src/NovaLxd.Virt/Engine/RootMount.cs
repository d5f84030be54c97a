using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage;
using static NovaLxd.Virt.Kernel.SysMount;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// The container's root: an overlay of a writable layer above shared ones, whose files belong to the container's ids because each lower layer enters as a
/// detached idmapped clone. The overlay is never attached on the host: it goes into the container by descriptor and ends with it. (An overlay itself
/// cannot be idmapped, and its upper and work folders must not be, or it turns read-only: the storage backend has given them to the container's ids.)
/// </summary>
internal static class RootMount
{
    public static FileDescriptor Create(SyscallStub stub, RootfsMount root, IdMap? map, bool readOnly)
    {
        using var userNamespace = map is null ? null : IdMapNamespace.Open(stub, map);
        var lowers = new List<FileDescriptor>();
        try
        {
            foreach (var directory in root.LowerDirectories)
            {
                lowers.Add(open_tree(Fcntl.AT_FDCWD, directory, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
                if (userNamespace is not null)
                {
                    mount_setattr(
                        lowers[^1], new mount_attr { attr_set = MOUNT_ATTR_IDMAP, userns_fd = (ulong)userNamespace.Number }, $"idmap of {directory}");
                }
            }

            using var overlay = fsopen("overlay", FSOPEN_CLOEXEC);
            fsconfig(overlay, FSCONFIG_SET_STRING, "source", "overlay");
            SetLayers(overlay, lowers);
            fsconfig(overlay, FSCONFIG_SET_STRING, "upperdir", root.UpperDirectory);
            fsconfig(overlay, FSCONFIG_SET_STRING, "workdir", root.WorkDirectory);
            CreateFileSystem(overlay, root);
            return fsmount(overlay, FSMOUNT_CLOEXEC, readOnly ? MOUNT_ATTR_RDONLY : 0, $"overlay over {root.UpperDirectory}");
        }
        finally
        {
            lowers.ForEach(lower => lower.Dispose());
        }
    }

    /// <summary>
    /// A detached mount has no path but that of its descriptor. "lowerdir" with all at once is understood by every kernel; since colons separate, the paths
    /// behind the descriptors may hold any character.
    /// </summary>
    private static void SetLayers(FileDescriptor overlay, List<FileDescriptor> lowers) =>
        fsconfig(overlay, FSCONFIG_SET_STRING, "lowerdir", string.Join(':', lowers.Select(lower => $"/proc/self/fd/{lower.Number}")));

    /// <summary>The kernel tells why it refuses an overlay in the context's log, which read(2) gives (fsopen(2)).</summary>
    private static void CreateFileSystem(FileDescriptor overlay, RootfsMount root)
    {
        try
        {
            fsconfig(overlay, FSCONFIG_CMD_CREATE, null, null);
        }
        catch (KernelException e)
        {
            throw new LaunchFailedException(
                $"The root file system could not be mounted (lower {string.Join(':', root.LowerDirectories)}, upper {root.UpperDirectory}): {e.Message}{ReadLog(overlay)}", e);
        }
    }

    private static string ReadLog(FileDescriptor context)
    {
        var text = new System.Text.StringBuilder();
        Span<byte> line = stackalloc byte[512];
        try
        {
            while (Unistd.Read(context.Number, line) is { } length and > 0)
            {
                text.Append("; ").Append(System.Text.Encoding.UTF8.GetString(line[..length]).Trim());
            }
        }
        catch (KernelException)
        {
            // ENODATA: there is no more.
        }

        return text.ToString();
    }
}
