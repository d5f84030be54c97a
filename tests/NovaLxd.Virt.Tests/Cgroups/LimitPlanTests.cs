using NovaLxd.Virt.Cgroups;

namespace NovaLxd.Virt.Tests.Cgroups;

public sealed class LimitPlanTests
{
    private static readonly ResourceLimits Everything = new()
    {
        Cpus = 1.5,
        CpuShares = 2048,
        CpuSet = "0-1",
        MemoryBytes = 256 << 20,
        SwapBytes = 64 << 20,
        Pids = 500,
        DiskReadBytesPerSecond = 1_000_000,
        DiskWriteOperationsPerSecond = 200,
    };

    [Fact]
    public void LimitsBecomeFilesOfV1() => Assert.Equal(
        [
            "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=150000", "cpu.shares=2048", "cpuset.cpus=0-1",
            "memory.limit_in_bytes=268435456", "memory.memsw.limit_in_bytes=335544320", "pids.max=500",
            "blkio.throttle.read_bps_device=254:0 1000000", "blkio.throttle.write_iops_device=254:0 200",
        ],
        Plan(Everything, unified: false));

    [Fact]
    public void LimitsBecomeFilesOfV2() => Assert.Equal(
        [
            "cpu.max=150000 100000", "cpu.weight=200", "cpuset.cpus=0-1", "memory.max=268435456", "memory.swap.max=67108864", "pids.max=500",
            "io.max=254:0 rbps=1000000 wbps=max riops=max wiops=200",
        ],
        Plan(Everything, unified: true));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void NothingIsWrittenForLimitsNobodyAskedFor(bool unified) => Assert.Empty(Plan(new ResourceLimits(), unified));

    [Fact]
    public void AChangeTakesAwayWhatIsNoLongerAskedFor()
    {
        Assert.Equal(
            ["cpu.max=max 100000", "cpu.weight=100", "cpuset.cpus=", "memory.max=max", "memory.swap.max=max", "pids.max=max",
                "io.max=254:0 rbps=max wbps=max riops=max wiops=max"],
            Plan(new ResourceLimits(), unified: true, reset: true));
        Assert.Equal(
            ["cpu.cfs_quota_us=-1", "cpu.shares=1024", "cpuset.cpus=0-3", "memory.memsw.limit_in_bytes=-1", "memory.limit_in_bytes=-1",
                "pids.max=max", "blkio.throttle.read_bps_device=254:0 0", "blkio.throttle.write_bps_device=254:0 0",
                "blkio.throttle.read_iops_device=254:0 0", "blkio.throttle.write_iops_device=254:0 0"],
            Plan(new ResourceLimits(), unified: false, reset: true));
    }

    [Fact]
    public void AnExplicitQuotaWinsOverProcessors()
    {
        Assert.Equal((20_000, 50_000), LimitPlan.Bandwidth(new ResourceLimits { Cpus = 4, CpuQuotaMicroseconds = 20_000, CpuPeriodMicroseconds = 50_000 }));
        Assert.Equal((200_000, 50_000), LimitPlan.Bandwidth(new ResourceLimits { Cpus = 4, CpuPeriodMicroseconds = 50_000 }));
        Assert.Null(LimitPlan.Bandwidth(new ResourceLimits { Cpus = 4, CpuQuotaMicroseconds = -1 }));
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(512, 50)]
    [InlineData(1024, 100)]
    [InlineData(102_400, 10_000)]
    [InlineData(262_144, 10_000)]
    public void SharesBecomeWeightInTheSameRatio(long shares, long weight) => Assert.Equal(weight, LimitPlan.WeightFromShares(shares));

    [Fact]
    public void WithoutADiskNothingIsThrottled() => Assert.DoesNotContain(
        LimitPlan.For(Everything, _ => true, reset: true, device: null), write => write.Controller == "io");

    private static IEnumerable<string> Plan(ResourceLimits limits, bool unified, bool reset = false) =>
        LimitPlan.For(limits, _ => unified, reset, "254:0", "0-3").Select(write => $"{write.File}={write.Value}");
}

public sealed class LimitWriteTests
{
    [Theory]
    [InlineData("Exact", "500", "500\n", true)]
    [InlineData("Exact", "500", "501\n", false)]
    [InlineData("Bytes", "10000", "8192\n", true)]
    [InlineData("Bytes", "10000", "12288\n", false)]
    [InlineData("Bytes", "1000000000", "900000000\n", false)]
    [InlineData("Bytes", "10000", "max\n", false)]
    [InlineData("Processors", "0,1,2,8", "0-2,8\n", true)]
    [InlineData("Processors", "0-3", "0-1\n", false)]
    [InlineData("DeviceLine", "254:0 1000", "8:0 5\n254:0 1000\n", true)]
    [InlineData("DeviceLine", "254:0 1000", "8:0 1000\n", false)]
    [InlineData("DeviceLine", "254:0 rbps=5 wbps=max", "254:0 rbps=5 wbps=max riops=max wiops=max\n", true)]
    [InlineData("DeviceLine", "254:0 rbps=5 wbps=7", "254:0 rbps=5 wbps=max\n", false)]
    public void WhatIsReadBackIsCompared(string readBack, string written, string read, bool confirmed) => Assert.Equal(
        confirmed, new LimitWrite("x", "x", written, Enum.Parse<ReadBack>(readBack)).IsConfirmedBy(read));

    [Theory]
    [InlineData("a")]
    [InlineData("3-1")]
    [InlineData("1-2-3")]
    [InlineData("-1")]
    [InlineData("0-99999999")]
    public void AListOfProcessorsThatIsNoneIsNamed(string list)
    {
        var failure = Assert.Throws<FormatException>(() => ProcessorList.Parse(list));
        Assert.Contains($"'{list}'", failure.Message, StringComparison.Ordinal);
    }
}
