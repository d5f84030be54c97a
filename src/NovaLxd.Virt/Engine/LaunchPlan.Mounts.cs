using NovaLxd.Virt.Kernel;
using static NovaLxd.Virt.Engine.Argument;
using static NovaLxd.Virt.Kernel.SysMount;

namespace NovaLxd.Virt.Engine;

/// <content>What is mounted for a container besides its root and the kernel's own file systems, before those.</content>
internal static partial class LaunchPlan
{
    private static readonly Argument EmptyPath = Flags((MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"));

    /// <summary>move_mount(2) does not follow a link in place of the folder, and nothing of the host can be reached from the root yet.</summary>
    private static IEnumerable<SyscallStep> Drive(LaunchSpec spec, LaunchInputs inputs)
    {
        if (spec.Drive is { } drive && inputs.DriveMount is { } mount)
        {
            yield return MakeDirectory(drive.Folder);
            yield return new(Syscall.move_mount, mount, "", Fcntl.AT_FDCWD, drive.Folder, EmptyPath);
        }
    }

    /// <summary>Where a server of another kind has the drive as a block device, the guest finds its image.</summary>
    private static IEnumerable<SyscallStep> DriveLink(LaunchSpec spec)
    {
        if (spec.Drive is { } drive)
        {
            yield return MakeDirectory("/dev/disk");
            yield return MakeDirectory("/dev/disk/by-label");
            yield return Link($"{drive.Folder}/{drive.ImageFile}", $"/dev/disk/by-label/{drive.Label}");
        }
    }

    /// <summary>At <see cref="RescuedRoot"/>.</summary>
    private static IEnumerable<SyscallStep> RescuedRootMount(LaunchInputs inputs)
    {
        if (inputs.RescuedRootMount is { } mount)
        {
            return
            [
                MakeDirectory("/mnt"),
                .. OpenWithin("mnt"),
                MakeDirectoryHere("instance"),
                new(Syscall.move_mount, mount, "", 1, "instance", EmptyPath),
            ];
        }

        return [];
    }

    /// <summary>The guest may have put a link in place of each folder since its last start, the image a link in place of the first.</summary>
    private static IEnumerable<SyscallStep> DiskMounts(LaunchSpec spec, LaunchInputs inputs)
    {
        foreach (var (disk, mount) in spec.Disks.Zip(inputs.DiskMounts))
        {
            var names = disk.Folder.Trim('/').Split('/');
            for (var depth = 0; depth < names.Length; depth++)
            {
                foreach (var step in OpenWithin(depth == 0 ? "." : string.Join('/', names[..depth])))
                {
                    yield return step;
                }

                yield return MakeDirectoryHere(names[depth]);
            }

            foreach (var step in OpenWithin(string.Join('/', names)))
            {
                yield return step;
            }

            yield return new(
                Syscall.move_mount, mount, "", 1, "",
                Flags((MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"), (MOVE_MOUNT_T_EMPTY_PATH, "MOVE_MOUNT_T_EMPTY_PATH")));
        }
    }

    /// <summary>
    /// A folder of the root as descriptor 1, where the console comes in its turn. What leads there may be a link of a hostile image, and the host's tree still lies on
    /// top of the root, where "..", and later the links of /proc, would lead into it: so it is opened inside the image's own file system or not at all (openat2(2)).
    /// </summary>
    private static IEnumerable<SyscallStep> OpenWithin(string path)
    {
        var root = new SyscallStep(
            Syscall.openat, Fcntl.AT_FDCWD, "/", Flags((Fcntl.O_PATH, "O_PATH"), (Fcntl.O_DIRECTORY, "O_DIRECTORY"), (Fcntl.O_CLOEXEC, "O_CLOEXEC")), 0);
        yield return root;
        const string How = "{O_PATH|O_DIRECTORY|O_CLOEXEC, RESOLVE_IN_ROOT|RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS}";
        var folder = new SyscallStep(Syscall.openat2, new ResultOf(root), path, new Memory(WithinOneMount(), How), 24);
        yield return folder;
        yield return new(Syscall.dup3, new ResultOf(folder), 1, 0);
    }

    private static SyscallStep MakeDirectoryHere(string name) => new(Syscall.mkdirat, 1, name, 0x1ED /* 0755 */) { Least = SyscallStep.AnyResult };

    /// <summary>struct open_how.</summary>
    private static byte[] WithinOneMount()
    {
        var how = new byte[24];
        BitConverter.TryWriteBytes(how, (ulong)(Fcntl.O_PATH | Fcntl.O_DIRECTORY | Fcntl.O_CLOEXEC));
        BitConverter.TryWriteBytes(how.AsSpan(16), 0x10UL | 0x01UL | 0x02UL); // resolve, linux/openat2.h
        return how;
    }
}
