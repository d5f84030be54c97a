using NovaLxd.Virt.Kernel;
using static NovaLxd.Virt.Kernel.SysMount;

namespace NovaLxd.Virt.Engine;

/// <summary>A mounted disk of the host's, for one container.</summary>
/// <param name="Source">Where the host has it.</param>
/// <param name="Folder">Where the container gets it.</param>
internal sealed record DiskMount(string Source, string Folder)
{
    /// <summary>
    /// A detached clone of the mount with the container's ids. It is private: what the guest mounts below must not come up on the host. Device nodes stay without
    /// effect; what else the host's mount forbids is for the host's own good.
    /// </summary>
    /// <exception cref="LaunchFailedException">Nothing is mounted there: the guest would write to the host's disk, without a limit.</exception>
    public FileDescriptor Create(SyscallStub stub, IdMap? map)
    {
        if (!FileSystemMount.IsMountPoint(Path.GetDirectoryName(Source)!, Path.GetFileName(Source)))
        {
            throw new LaunchFailedException($"The disk for {Folder} is not mounted at {Source}.");
        }

        using var userNamespace = map is null ? null : IdMapNamespace.Open(stub, map);
        var clone = open_tree(Fcntl.AT_FDCWD, Source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        try
        {
            var attributes = new mount_attr { attr_clr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, propagation = MS_PRIVATE };
            if (userNamespace is not null)
            {
                attributes.attr_set = MOUNT_ATTR_IDMAP;
                attributes.userns_fd = (ulong)userNamespace.Number;
            }

            mount_setattr(clone, attributes, $"the disk {Source}");
            return clone;
        }
        catch
        {
            clone.Dispose();
            throw;
        }
    }
}
