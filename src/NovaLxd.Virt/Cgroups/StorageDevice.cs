using System.Globalization;
using NovaLxd.Virt.Kernel;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Cgroups;

/// <summary>
/// The whole disk below a folder, as "major:minor": the block controller throttles disks, neither partitions nor files. Partitions are followed to
/// their disk and loop devices to the disk of their file. <paramref name="Problem"/> says in a sentence why there is none.
/// </summary>
internal sealed record StorageDevice(string? Number, string? Problem)
{
    private const int MaxNesting = 8;

    public static StorageDevice Find(string folder) => Find(folder, MaxNesting);

    private static StorageDevice Find(string folder, int nesting)
    {
        using var handle = CgroupFile.Open(folder, O_PATH | O_CLOEXEC);
        if (handle.IsInvalid)
        {
            throw KernelException.Last("open", folder);
        }

        // The mount that a path really is on, links and mounts above it considered, is told by proc_pid_fdinfo(5).
        var mountId = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{CgroupFile.Number(handle)}"))
            .First(line => line.StartsWith("mnt_id:", StringComparison.Ordinal))[7..].Trim();
        var mount = File.ReadLines("/proc/self/mountinfo").First(line => line.StartsWith(mountId + " ", StringComparison.Ordinal));
        return Resolve(folder, mount, "/sys", nesting);
    }

    /// <summary>From the line of mountinfo and the tree of sysfs alone.</summary>
    internal static StorageDevice Resolve(string folder, string mount, string sysfs, int nesting = MaxNesting)
    {
        var halves = mount.Split(" - ", 2);
        var number = halves[0].Split(' ')[2];
        var source = halves[1].Split(' ')[1];
        if (number.StartsWith("0:", StringComparison.Ordinal))
        {
            // btrfs gives its own anonymous numbers; the source names one of its disks.
            var device = source.StartsWith("/dev/", StringComparison.Ordinal)
                ? CgroupFile.ReadOrNull($"{sysfs}/class/block/{Path.GetFileName(source)}/dev")?.Trim()
                : null;
            if (device is null)
            {
                return new StorageDevice(null, $"{folder} is on {halves[1].Split(' ')[0]} ({source}), which has no block device of its own");
            }

            number = device;
        }

        var link = $"{sysfs}/dev/block/{number}";
        if (!Directory.Exists(link))
        {
            return new StorageDevice(null, $"block device {number} of {folder} is not in {sysfs}/dev/block");
        }

        var node = Directory.ResolveLinkTarget(link, true)!.FullName;
        if (File.Exists(Path.Combine(node, "partition")))
        {
            node = Path.GetDirectoryName(node)!;
            number = CgroupFile.Read(Path.Combine(node, "dev")).Trim();
        }

        var file = CgroupFile.ReadOrNull(Path.Combine(node, "loop/backing_file"))?.Trim();
        return file is null || nesting == 0 || !File.Exists(file) ? new StorageDevice(number, null) : Find(Path.GetDirectoryName(file)!, nesting - 1);
    }
}
