using System.Globalization;

namespace NovaLxd.Virt.Cgroups;

/// <summary>
/// Turns limits into the files of cgroup v1 or v2. Pure. Sources: Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst of the kernel,
/// Documentation/scheduler/sched-bwc.rst.
/// </summary>
internal static class LimitPlan
{
    private const long DefaultPeriodMicroseconds = 100_000;

    /// <summary>v1 cpu.shares of a cgroup nobody set, and cpu.weight of v2: the same share of the processor.</summary>
    private const long DefaultShares = 1024;

    private const long DefaultWeight = 100;

    /// <param name="unified">Whether the controller of this name (v2's names: "cpu", "cpuset", "memory", "pids", "io") is one of v2.</param>
    /// <param name="reset">Whether a limit that is not asked for is taken away (a change), or was never there (a new cgroup).</param>
    /// <param name="device">Disk to throttle, "major:minor"; null: not throttled.</param>
    /// <param name="inheritedProcessors">The parent's processors, back to which v1 resets.</param>
    public static IReadOnlyList<LimitWrite> For(
        ResourceLimits limits, Func<string, bool> unified, bool reset, string? device, string inheritedProcessors = "")
    {
        var writes = new List<LimitWrite>(8);
        AddCpu(writes, limits, unified("cpu"), reset);
        AddCpuSet(writes, limits, unified("cpuset"), reset, inheritedProcessors);
        AddMemory(writes, limits, unified("memory"), reset);
        if (limits.Pids is not null || reset)
        {
            writes.Add(new("pids", "pids.max", limits.Pids is { } pids ? Text(pids) : "max", ReadBack.Exact));
        }

        if (device is not null)
        {
            AddDisk(writes, limits, unified("io"), reset, device);
        }

        return writes;
    }

    /// <summary>
    /// cpu.shares as cpu.weight with the ratio kept: 1024 shares and weight 100 are what each version gives by default, so that a container which
    /// asked for 1024 is the equal of one that did not ask. Ends of the ranges are cut off.
    /// </summary>
    public static long WeightFromShares(long shares) => Math.Clamp(shares * DefaultWeight / DefaultShares, 1, 10_000);

    /// <summary>Quota and period in microseconds; null: no bandwidth limit.</summary>
    public static (long Quota, long Period)? Bandwidth(ResourceLimits limits)
    {
        var period = limits.CpuPeriodMicroseconds ?? DefaultPeriodMicroseconds;
        var quota = limits.CpuQuotaMicroseconds
            ?? (limits.Cpus is { } cpus ? (long)Math.Round(cpus * period, MidpointRounding.AwayFromZero) : 0);
        return quota > 0 ? (quota, period) : null;
    }

    private static void AddCpu(List<LimitWrite> writes, ResourceLimits limits, bool unified, bool reset)
    {
        var bandwidth = Bandwidth(limits);
        if (unified)
        {
            if (bandwidth is not null || reset)
            {
                var value = bandwidth is { } b ? $"{Text(b.Quota)} {Text(b.Period)}" : $"max {Text(DefaultPeriodMicroseconds)}";
                writes.Add(new("cpu", "cpu.max", value, ReadBack.Exact));
            }

            if (limits.CpuShares is not null || reset)
            {
                var weight = limits.CpuShares is { } shares ? WeightFromShares(shares) : DefaultWeight;
                writes.Add(new("cpu", "cpu.weight", Text(weight), ReadBack.Exact));
            }

            return;
        }

        if (reset)
        {
            writes.Add(new("cpu", "cpu.cfs_quota_us", "-1", ReadBack.None)); // An old quota must not meet a new, shorter period.
        }

        if (bandwidth is { } wanted)
        {
            writes.Add(new("cpu", "cpu.cfs_period_us", Text(wanted.Period), ReadBack.Exact));
            writes.Add(new("cpu", "cpu.cfs_quota_us", Text(wanted.Quota), ReadBack.Exact));
        }

        if (limits.CpuShares is not null || reset)
        {
            writes.Add(new("cpu", "cpu.shares", Text(limits.CpuShares ?? DefaultShares), ReadBack.Exact));
        }
    }

    private static void AddCpuSet(List<LimitWrite> writes, ResourceLimits limits, bool unified, bool reset, string inherited)
    {
        if (limits.CpuSet is { } processors)
        {
            writes.Add(new("cpuset", "cpuset.cpus", processors, ReadBack.Processors));
        }
        else if (reset)
        {
            writes.Add(new("cpuset", "cpuset.cpus", unified ? "" : inherited, ReadBack.None));
        }
    }

    private static void AddMemory(List<LimitWrite> writes, ResourceLimits limits, bool unified, bool reset)
    {
        if (unified)
        {
            AddOrReset(writes, limits.MemoryBytes, reset, "memory", "memory.max");
            AddOrReset(writes, limits.SwapBytes, reset, "memory", "memory.swap.max");
            return;
        }

        if (reset)
        {
            // memory.memsw can never be below memory: out of the way while that moves.
            writes.Add(new("memory", "memory.memsw.limit_in_bytes", "-1", ReadBack.None));
        }

        if (limits.MemoryBytes is not null || reset)
        {
            writes.Add(limits.MemoryBytes is { } memory
                ? new("memory", "memory.limit_in_bytes", Text(memory), ReadBack.Bytes)
                : new("memory", "memory.limit_in_bytes", "-1", ReadBack.None));
        }

        if (limits is { MemoryBytes: { } bytes, SwapBytes: { } swap })
        {
            writes.Add(new("memory", "memory.memsw.limit_in_bytes", Text(bytes + swap), ReadBack.Bytes));
        }
    }

    private static void AddOrReset(List<LimitWrite> writes, long? bytes, bool reset, string controller, string file)
    {
        if (bytes is { } value)
        {
            writes.Add(new(controller, file, Text(value), ReadBack.Bytes));
        }
        else if (reset)
        {
            writes.Add(new(controller, file, "max", ReadBack.None));
        }
    }

    private static void AddDisk(List<LimitWrite> writes, ResourceLimits limits, bool unified, bool reset, string device)
    {
        var any = limits.DiskReadBytesPerSecond ?? limits.DiskWriteBytesPerSecond
            ?? limits.DiskReadOperationsPerSecond ?? limits.DiskWriteOperationsPerSecond;
        if (any is null && !reset)
        {
            return;
        }

        if (unified)
        {
            var value = $"{device} rbps={Max(limits.DiskReadBytesPerSecond)} wbps={Max(limits.DiskWriteBytesPerSecond)} "
                + $"riops={Max(limits.DiskReadOperationsPerSecond)} wiops={Max(limits.DiskWriteOperationsPerSecond)}";
            writes.Add(new("io", "io.max", value, any is null ? ReadBack.None : ReadBack.DeviceLine)); // A line without limits disappears.
            return;
        }

        AddThrottle("read_bps", limits.DiskReadBytesPerSecond);
        AddThrottle("write_bps", limits.DiskWriteBytesPerSecond);
        AddThrottle("read_iops", limits.DiskReadOperationsPerSecond);
        AddThrottle("write_iops", limits.DiskWriteOperationsPerSecond);

        void AddThrottle(string what, long? limit)
        {
            if (limit is not null || reset)
            {
                var readBack = limit is null ? ReadBack.None : ReadBack.DeviceLine;
                writes.Add(new("io", $"blkio.throttle.{what}_device", $"{device} {Text(limit ?? 0)}", readBack));
            }
        }
    }

    private static string Max(long? limit) => limit is { } value ? Text(value) : "max";

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
