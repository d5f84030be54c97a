using NovaLxd.Instances;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Instances;

public class FlavorLimitsTests
{
    private static Flavor Flavor(params (string Key, string Value)[] specs)
    {
        var flavor = NovaObject.Create<Flavor>();
        flavor.Name = "m1.test";
        flavor.Vcpus = 2;
        flavor.MemoryMb = 512;
        flavor.Swap = 128;
        flavor.Set("extra_specs", new Newtonsoft.Json.Linq.JObject());
        foreach (var (key, value) in specs)
        {
            flavor.ExtraSpecs[key] = value;
        }

        return flavor;
    }

    [Fact]
    public void SizesBecomeLimits()
    {
        var limits = FlavorLimits.Limits(Flavor(), pidsLimit: 1000, cpuSet: "0-1");
        Assert.Equal(2, limits.Cpus);
        Assert.Equal(2048, limits.CpuShares);
        Assert.Equal("0-1", limits.CpuSet);
        Assert.Equal(512L << 20, limits.MemoryBytes);
        Assert.Equal(128L << 20, limits.SwapBytes);
        Assert.Equal(1000, limits.Pids);
        Assert.Null(limits.DiskReadBytesPerSecond);
    }

    [Fact]
    public void QuotasOfTheExtraSpecsWin()
    {
        var limits = FlavorLimits.Limits(
            Flavor(("quota:cpu_quota", "50000"), ("quota:cpu_period", "20000"), ("quota:cpu_shares", "77"),
                ("quota:disk_total_bytes_sec", "1000"), ("quota:disk_write_bytes_sec", "500"), ("quota:disk_read_iops_sec", "9")),
            0, null);
        Assert.Equal((50000L, 20000L, 77L), (limits.CpuQuotaMicroseconds!.Value, limits.CpuPeriodMicroseconds!.Value, limits.CpuShares!.Value));
        Assert.Equal((1000L, 500L), (limits.DiskReadBytesPerSecond!.Value, limits.DiskWriteBytesPerSecond!.Value));
        Assert.Equal(9, limits.DiskReadOperationsPerSecond);
        Assert.Null(limits.DiskWriteOperationsPerSecond);
        Assert.Null(limits.Pids);
    }

    [Theory]
    [InlineData("quota:cpu_shares", "many")]
    [InlineData("quota:cpu_quota", "-1")]
    [InlineData("quota:disk_read_bytes_sec", "1.5")]
    public void AQuotaThatIsNoNumberEndsTheBuildAndNamesTheKey(string key, string value)
    {
        var fault = Assert.Throws<BuildAbortException>(() => FlavorLimits.Limits(Flavor((key, value)), 0, null));
        Assert.Contains($"{key} = {value}", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("True", true)]
    [InlineData("1", true)]
    [InlineData("False", false)]
    [InlineData("", false)]
    public void NestingIsWhatTheExtraSpecSays(string value, bool expected) =>
        Assert.Equal(expected, FlavorLimits.Security(Flavor(("lxd:nested_allowed", value)), false).Nesting);

    [Fact]
    public void APrivilegedContainerNeedsTheOperatorToo()
    {
        var flavor = Flavor(("lxd:privileged_allowed", "true"));
        Assert.True(FlavorLimits.Security(flavor, allowPrivileged: true).Privileged);
        Assert.Contains("allow_privileged", Assert.Throws<BuildAbortException>(() => FlavorLimits.Security(flavor, false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PortRatesComeInPairs()
    {
        var (inbound, outbound) = FlavorLimits.PortRates(Flavor(("quota:vif_inbound_average", "100"), ("quota:vif_inbound_burst", "50")));
        Assert.Equal(new PortRate(100, null, 50), inbound);
        Assert.Null(outbound);
    }

    [Theory]
    [InlineData("0-3", new[] { 0, 1, 2, 3 })]
    [InlineData("0-3,^2,8", new[] { 0, 1, 3, 8 })]
    [InlineData(" 1 , 3 ", new[] { 1, 3 })]
    public void CpuSetsAreReadAsNovaDoes(string text, int[] expected) => Assert.Equal(expected, CpuSets.Parse(text).Order());

    [Theory]
    [InlineData("a")]
    [InlineData("3-1")]
    [InlineData("1,^1")]
    public void ACpuSetThatIsNoneIsRefused(string text) => Assert.Throws<NovaLxd.Configuration.ConfigurationException>(() => CpuSets.Parse(text));
}
