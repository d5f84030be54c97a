using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Network;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt;

/// <summary>Puts together what the engine is given. Pure.</summary>
internal static class LaunchSpecs
{
    public const string ConsoleLogFile = "console.log";

    public static LaunchSpec From(
        ContainerRecord record, RootfsMount root, RootfsMount? rescued, IReadOnlyList<ContainerNic> nics, string folder, string? lxcfsPath, byte[]? seccompFilter,
        VirtOptions options) => new()
        {
            Id = record.Id,
            Name = record.Spec.Name,
            Hostname = record.Spec.Hostname,
            Root = root,
            RescuedRoot = rescued,
            IdMap = record.IdMap,
            Init = rescued is null ? record.Spec.Init : [], // Of the rescue image nothing is known.
            Environment = record.Spec.Environment,
            Limits = record.Spec.Limits,
            Security = rescued is null ? record.Spec.Security : record.Spec.Security with { ReadOnlyRoot = false },
            SeccompFilter = seccompFilter,
            Nics = nics,
            Disks = rescued is null ? [.. record.Spec.Disks.Zip(root.Disks, (disk, host) => new DiskMount(host, disk.Folder))] : [],
            Drive = ContainerDrives.MountOf(record.Spec.Drive, folder),
            ConsoleLogPath = Path.Combine(folder, ConsoleLogFile),
            ConsoleLogBytes = options.ConsoleLogBytes,
            LxcfsPath = lxcfsPath,
            CgroupParent = options.CgroupParent,
        };
}
