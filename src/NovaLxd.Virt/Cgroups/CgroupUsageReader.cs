using System.Globalization;

namespace NovaLxd.Virt.Cgroups;

/// <summary>Reads the counters of a container's cgroup; what no controller counts is 0. Times in nanoseconds, sizes in bytes.</summary>
internal sealed class CgroupUsageReader(ContainerCgroup cgroup)
{
    /// <summary>v1 says "no limit" as the largest number of pages that fits.</summary>
    private const long Unlimited = long.MaxValue / 2;

    private const string LoopMajor = "7:";

    public ContainerUsage Read()
    {
        var memoryUnified = IsUnified("memory");
        var limit = ReadNumber("memory", memoryUnified ? "memory.max" : "memory.limit_in_bytes");
        var disk = ReadDisk();
        return new ContainerUsage
        {
            CpuNanoseconds = ReadCpu(),
            MemoryBytes = ReadNumber("memory", memoryUnified ? "memory.current" : "memory.usage_in_bytes"),
            MemoryLimitBytes = limit > Unlimited ? 0 : limit,
            Processes = cgroup.Tree.Find("pids") is null ? cgroup.Processes().Count : ReadNumber("pids", "pids.current"),
            DiskReadBytes = disk.ReadBytes,
            DiskWriteBytes = disk.WriteBytes,
            DiskReadOperations = disk.ReadOperations,
            DiskWriteOperations = disk.WriteOperations,
        };
    }

    /// <summary>v1's cpuacct counts nanoseconds; v2 counts microseconds in every cgroup, with and without the controller.</summary>
    private long ReadCpu()
    {
        if (cgroup.FileOf("cpuacct", "cpuacct.usage") is { } usage)
        {
            return ParseNumber(CgroupFile.ReadOrNull(usage));
        }

        if (cgroup.Tree.Unified is not { } unified)
        {
            return 0;
        }

        var stat = CgroupFile.ReadOrNull(Path.Combine(cgroup.Directory(unified), "cpu.stat")) ?? "";
        foreach (var line in stat.AsSpan().EnumerateLines())
        {
            if (line.StartsWith("usage_usec "))
            {
                return long.Parse(line["usage_usec ".Length..], CultureInfo.InvariantCulture) * 1000;
            }
        }

        return 0;
    }

    private DiskCounters ReadDisk()
    {
        if (IsUnified("io"))
        {
            return ParseIoStat(Text("io", "io.stat"));
        }

        var bytes = ParseBlkio(Text("io", "blkio.throttle.io_service_bytes_recursive"));
        var operations = ParseBlkio(Text("io", "blkio.throttle.io_serviced_recursive"));
        return new DiskCounters(bytes.Read, bytes.Write, operations.Read, operations.Write);
    }

    /// <summary>Lines "254:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." of v2.</summary>
    internal static DiskCounters ParseIoStat(string text)
    {
        var (loops, disks) = (new DiskCounters(), new DiskCounters());
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var words = line.Split(' ');
            var counters = new DiskCounters(Value(words, "rbytes="), Value(words, "wbytes="), Value(words, "rios="), Value(words, "wios="));
            if (words[0].StartsWith(LoopMajor, StringComparison.Ordinal))
            {
                loops += counters;
            }
            else
            {
                disks += counters;
            }
        }

        return DiskCounters.Larger(loops, disks);

        static long Value(string[] words, string key) =>
            ParseNumber(words.FirstOrDefault(word => word.StartsWith(key, StringComparison.Ordinal))?[key.Length..]);
    }

    /// <summary>Lines "254:0 Read 1" of v1, for bytes or for operations.</summary>
    internal static (long Read, long Write) ParseBlkio(string text)
    {
        var (loops, disks) = (new DiskCounters(), new DiskCounters());
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var words = line.Split(' ');
            if (words.Length != 3 || words[1] is not ("Read" or "Write"))
            {
                continue;
            }

            var number = ParseNumber(words[2]);
            var counters = words[1] == "Read" ? new DiskCounters(number) : new DiskCounters(0, number);
            if (words[0].StartsWith(LoopMajor, StringComparison.Ordinal))
            {
                loops += counters;
            }
            else
            {
                disks += counters;
            }
        }

        var larger = DiskCounters.Larger(loops, disks);
        return (larger.ReadBytes, larger.WriteBytes);
    }

    private bool IsUnified(string controller) => cgroup.Tree.Find(controller) is { Unified: true };

    private string Text(string controller, string file) => cgroup.FileOf(controller, file) is { } path ? CgroupFile.ReadOrNull(path) ?? "" : "";

    private long ReadNumber(string controller, string file) => ParseNumber(Text(controller, file));

    /// <summary>"max" and nothing are 0.</summary>
    private static long ParseNumber(string? text) =>
        long.TryParse(text?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}

/// <summary>
/// What passed the block layer. A root file system in an image file passes it twice, at the loop device and at the disk: the two are
/// counted apart, and the larger is the container's.
/// </summary>
internal readonly record struct DiskCounters(long ReadBytes = 0, long WriteBytes = 0, long ReadOperations = 0, long WriteOperations = 0)
{
    public static DiskCounters operator +(DiskCounters a, DiskCounters b) => new(
        a.ReadBytes + b.ReadBytes, a.WriteBytes + b.WriteBytes, a.ReadOperations + b.ReadOperations, a.WriteOperations + b.WriteOperations);

    public static DiskCounters Larger(DiskCounters a, DiskCounters b) => new(
        Math.Max(a.ReadBytes, b.ReadBytes), Math.Max(a.WriteBytes, b.WriteBytes),
        Math.Max(a.ReadOperations, b.ReadOperations), Math.Max(a.WriteOperations, b.WriteOperations));
}
