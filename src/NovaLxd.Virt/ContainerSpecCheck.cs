using System.Text.RegularExpressions;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt;

/// <summary>Refuses a container that could not be started before anything is made for it. Pure, but for asking libseccomp about names.</summary>
internal static partial class ContainerSpecCheck
{
    /// <summary>Smallest file system with a journal and room for something.</summary>
    private const long MinDiskBytes = 16 << 20;

    /// <exception cref="ArgumentException">Lists everything that is wrong.</exception>
    public static void Check(ContainerSpec spec)
    {
        var faults = FindFaults(spec).ToArray();
        if (faults.Length > 0)
        {
            throw new ArgumentException($"Container {spec.Id} cannot be made: {string.Join("; ", faults)}.", nameof(spec));
        }
    }

    private static IEnumerable<string> FindFaults(ContainerSpec spec)
    {
        if (!NamePattern().IsMatch(spec.Name))
        {
            yield return $"name '{spec.Name}' is not 1 to 63 letters, digits, '-', '_' and '.', beginning with a letter or digit";
        }

        if (spec.Hostname.Length is 0 or > 64)
        {
            yield return $"host name '{spec.Hostname}' is not 1 to 64 characters long"; // sethostname(2)
        }

        var limits = spec.Limits;
        foreach (var (what, value, least) in new (string, double?, double)[]
        {
            ("processors", limits.Cpus, 0.01), ("CPU period", limits.CpuPeriodMicroseconds, 1000), ("CPU shares", limits.CpuShares, 2),
            ("memory", limits.MemoryBytes, 1 << 20), ("swap", limits.SwapBytes, 0), ("processes", limits.Pids, 1), ("root disk", spec.RootDiskBytes, 1),
            ("disk read rate", limits.DiskReadBytesPerSecond, 1), ("disk write rate", limits.DiskWriteBytesPerSecond, 1),
            ("disk read operations", limits.DiskReadOperationsPerSecond, 1), ("disk write operations", limits.DiskWriteOperationsPerSecond, 1),
        })
        {
            if (value < least)
            {
                yield return $"{what}: {value} is less than {least}";
            }
        }

        foreach (var disk in spec.Disks)
        {
            if (!FolderPattern().IsMatch(disk.Folder) || spec.Disks.Count(other => other.Folder == disk.Folder) > 1)
            {
                yield return $"folder '{disk.Folder}' of a disk is not one to three names below the root, or not its own";
            }

            if (disk.SizeBytes < MinDiskBytes)
            {
                yield return $"disk {disk.Folder}: {disk.SizeBytes} is less than {MinDiskBytes}";
            }
        }

        foreach (var fault in spec.Drive is null ? [] : DriveCheck.FindFaults(spec.Drive))
        {
            yield return fault;
        }

        if (FailureOf(() => ProcessorList.Parse(limits.CpuSet ?? "")) is { } list)
        {
            yield return list;
        }

        if (spec.Security.AllowSystemCalls.Count > 0 && FailureOf(() => SeccompProfile.Compile(spec.Security)) is { } calls)
        {
            yield return calls;
        }
    }

    private static string? FailureOf(Func<object> attempt)
    {
        try
        {
            attempt();
            return null;
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            return e.Message;
        }
    }

    /// <summary>Not where the engine mounts something of its own, which would hide it.</summary>
    [GeneratedRegex(@"\A(?!/(proc|sys|dev)(/|\z))(/[A-Za-z0-9][A-Za-z0-9_.-]{0,62}){1,3}\z")]
    private static partial Regex FolderPattern();

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\z")]
    private static partial Regex NamePattern();
}
