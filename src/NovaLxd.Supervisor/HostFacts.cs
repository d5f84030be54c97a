using System.Runtime.InteropServices;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Supervisor;

/// <summary>What this host has of all that a container is shown or kept from.</summary>
internal sealed partial class HostFacts
{
    private static readonly string[] LxcfsFiles =
        ["proc/cpuinfo", "proc/diskstats", "proc/loadavg", "proc/meminfo", "proc/slabinfo", "proc/stat", "proc/swaps", "proc/uptime", "sys/devices/system/cpu"];

    public IReadOnlyList<string> Devices { get; } = [.. LaunchPlan.Devices.Where(device => File.Exists($"/dev/{device}"))];

    public IReadOnlyList<string> MaskedFiles { get; } = [.. LaunchPlan.MaskedFiles.Where(File.Exists)];

    public IReadOnlyList<string> MaskedDirectories { get; } = [.. LaunchPlan.MaskedDirectories.Where(Directory.Exists)];

    public IReadOnlyList<string> ReadOnlyPaths { get; } = [.. LaunchPlan.ReadOnlyPaths.Where(Path.Exists)];

    public long OpenFilesLimit { get; } = RaiseOpenFilesLimit();

    /// <summary>Looked up at each launch, as lxcfs comes and goes.</summary>
    public static IReadOnlyList<string> FindLxcfsFiles(string? lxcfsPath) =>
        lxcfsPath is null ? [] : [.. LxcfsFiles.Where(file => Path.Exists(Path.Combine(lxcfsPath, file)))];

    /// <summary>A container costs four descriptors here: as many as are allowed. Guests get the same as their hard limit.</summary>
    private static unsafe long RaiseOpenFilesLimit()
    {
        const int RLIMIT_NOFILE = 7;
        var limits = stackalloc long[2];
        if (prlimit64(0, RLIMIT_NOFILE, null, limits) != 0)
        {
            throw Virt.Kernel.KernelException.Last("prlimit64");
        }

        limits[0] = limits[1];
        return prlimit64(0, RLIMIT_NOFILE, limits, null) == 0 ? limits[1] : throw Virt.Kernel.KernelException.Last("prlimit64");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int prlimit64(int pid, int resource, long* newLimits, long* oldLimits);
}
