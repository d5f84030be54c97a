using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

public sealed class ContainerSpecCheckTests
{
    private static readonly ContainerSpec Good = DriverHost.Spec("instance-0000002a");

    [Fact]
    public void AUsualSpecIsAccepted() => ContainerSpecCheck.Check(Good with
    {
        Limits = new ResourceLimits { Cpus = 0.5, CpuSet = "0-3,8", MemoryBytes = 64 << 20, SwapBytes = 0, CpuQuotaMicroseconds = -1, Pids = 1 },
        Security = new SecuritySpec { AllowSystemCalls = ["io_uring_setup"] },
    });

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData("a\n")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123")]
    public void ANameThatIsNoneIsRefused(string name) => AssertRefused(Good with { Name = name }, "name");

    [Fact]
    public void EverythingWrongIsSaidAtOnce() => AssertRefused(
        Good with
        {
            Hostname = "",
            Limits = new ResourceLimits { Cpus = 0, CpuShares = 1, CpuSet = "x", MemoryBytes = 100, Pids = 0, DiskReadBytesPerSecond = 0 },
            Security = new SecuritySpec { AllowSystemCalls = ["fly"] },
        },
        "host name", "processors", "CPU shares", "'x'", "memory", "processes", "disk read rate", "'fly'");

    private static void AssertRefused(ContainerSpec spec, params string[] words)
    {
        var failure = Assert.Throws<ArgumentException>(() => ContainerSpecCheck.Check(spec));
        Assert.All(words, word => Assert.Contains(word, failure.Message, StringComparison.Ordinal));
    }
}
