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
    /// <summary>What this kernel wants of layers, once it has been seen: asking it anew would put a line into its log at every launch.</summary>
    private static volatile bool _layersMustBeAttached;

    public static FileDescriptor Create(SyscallStub stub, RootfsMount root, IdMap? map, bool readOnly) =>
        Create(stub, new Layers(root.LowerDirectories, root.UpperDirectory, root.WorkDirectory), map, readOnly ? MOUNT_ATTR_RDONLY : 0);

    /// <summary>
    /// The same without a writable layer: not even who may change the mount's flags, as the guest's root may, can write to the folders. There must be two
    /// at least.
    /// </summary>
    public static FileDescriptor CreateReadOnly(SyscallStub stub, IReadOnlyList<string> folders, IdMap? map) =>
        Create(stub, new Layers(folders, null, null), map, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

    private static FileDescriptor Create(SyscallStub stub, Layers layers, IdMap? map, ulong attributes)
    {
        using var userNamespace = map is null ? null : IdMapNamespace.Open(stub, map);
        var lowers = new List<FileDescriptor>();
        try
        {
            foreach (var directory in layers.Lower)
            {
                lowers.Add(open_tree(Fcntl.AT_FDCWD, directory, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
                if (userNamespace is not null)
                {
                    mount_setattr(
                        lowers[^1], new mount_attr { attr_set = MOUNT_ATTR_IDMAP, userns_fd = (ulong)userNamespace.Number }, $"idmap of {directory}");
                }
            }

            return Mount(stub, layers, lowers, attributes);
        }
        finally
        {
            lowers.ForEach(lower => lower.Dispose());
        }
    }

    /// <exception cref="LaunchFailedException">The kernel refuses it, with its reason.</exception>
    private static FileDescriptor Mount(SyscallStub stub, Layers layers, List<FileDescriptor> lowers, ulong attributes)
    {
        if (!_layersMustBeAttached)
        {
            try
            {
                return Mount(layers, attributes, overlay => Configure(overlay, layers, lowers));
            }
            catch (LaunchFailedException e) when (e.InnerException is KernelException { Errno: Errno.EINVAL })
            {
                // Among other reasons, that of a kernel before 6.15: it makes layers only of mounts that are attached in the caller's mount namespace.
            }
        }

        var mount = Mount(layers, attributes, overlay => ConfigureInNamespace(stub, overlay, layers, lowers));
        _layersMustBeAttached = true;
        return mount;
    }

    private static FileDescriptor Mount(Layers layers, ulong attributes, Action<FileDescriptor> configure)
    {
        using var overlay = fsopen("overlay", FSOPEN_CLOEXEC);
        try
        {
            configure(overlay);
        }
        catch (KernelException e)
        {
            throw new LaunchFailedException(
                $"An overlay could not be mounted (lower {string.Join(':', layers.Lower)}, upper {layers.Upper ?? "none"}): {e.Message}{ReadLog(overlay)}", e);
        }

        return fsmount(overlay, FSMOUNT_CLOEXEC, attributes, $"overlay over {layers.Upper ?? layers.Lower[0]}");
    }

    private static void Configure(FileDescriptor overlay, Layers layers, List<FileDescriptor> lowers)
    {
        foreach (var (key, value) in Parameters(layers, lowers))
        {
            fsconfig(overlay, FSCONFIG_SET_STRING, key, value);
        }

        fsconfig(overlay, FSCONFIG_CMD_CREATE, null, null);
    }

    /// <summary>
    /// The same by a child in a mount namespace of its own, where each layer is attached over its own folder. The overlay has copies of its own when the child, and
    /// the namespace with it, is gone; the host sees none of it.
    /// </summary>
    private static void ConfigureInNamespace(SyscallStub stub, FileDescriptor overlay, Layers layers, List<FileDescriptor> lowers)
    {
        IReadOnlyList<SyscallStep> steps =
        [
            new(Syscall.mount, Argument.Null, "/", Argument.Null, Argument.Flags((MS_REC, "MS_REC"), (MS_PRIVATE, "MS_PRIVATE")), Argument.Null),
            .. lowers.Zip(layers.Lower, (lower, directory) => new SyscallStep(
                Syscall.move_mount, lower.Number, "", Fcntl.AT_FDCWD, directory, Argument.Flags((MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH")))),
            .. Parameters(layers, lowers).Select(parameter => new SyscallStep(
                Syscall.fsconfig, overlay.Number, Argument.Flags((FSCONFIG_SET_STRING, "FSCONFIG_SET_STRING")), parameter.Key, parameter.Value, 0)),
            new(Syscall.fsconfig, overlay.Number, Argument.Flags((FSCONFIG_CMD_CREATE, "FSCONFIG_CMD_CREATE")), Argument.Null, Argument.Null, 0),
            new(Syscall.exit_group, 0),
        ];
        using var child = ChildProcess.Start(stub, steps, [overlay.Number, .. lowers.Select(lower => lower.Number)], Sched.CLONE_NEWNS);
        using var pidfd = child.Pidfd;
        SysWait.WaitForExit(pidfd, block: true);
        if (child.TryFinish(out var failure) && failure is not null)
        {
            throw failure;
        }
    }

    /// <summary>
    /// A detached mount has no path but that of its descriptor. "lowerdir" with all at once is understood by every kernel; since colons separate, the paths
    /// behind the descriptors may hold any character.
    /// </summary>
    private static IEnumerable<(string Key, string Value)> Parameters(Layers layers, List<FileDescriptor> lowers)
    {
        yield return ("source", "overlay");
        yield return ("lowerdir", string.Join(':', lowers.Select(lower => $"/proc/self/fd/{lower.Number}")));
        if (layers.Upper is not null && layers.Work is not null)
        {
            yield return ("upperdir", layers.Upper);
            yield return ("workdir", layers.Work);
        }
    }

    /// <summary>The kernel tells why it refuses an overlay in the context's log, which read(2) gives (fsopen(2)).</summary>
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

    /// <summary>Folders of the host; without a writable one the overlay is read-only for good.</summary>
    private sealed record Layers(IReadOnlyList<string> Lower, string? Upper, string? Work);
}
