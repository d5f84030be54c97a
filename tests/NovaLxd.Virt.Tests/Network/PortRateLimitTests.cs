using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Network;

/// <summary>The figures that go to the kernel.</summary>
public sealed class PortRateLimitTests
{
    [Fact]
    public void RatesAreThousandsOfBytesAndBurstsUnitsOf1024()
    {
        var bucket = PortRateLimit.Bucket(new PortRate(2000, PeakKilobytesPerSecond: 5000, BurstKilobytes: 64), 1500);

        Assert.Equal(new TokenBucket(2_000_000, 65_536, 200_000, 5_000_000, 50_000), bucket);
    }

    [Fact]
    public void ABurstIsATenthOfASecondWhenNoneIsGiven() => Assert.Equal(200_000u, PortRateLimit.Bucket(new PortRate(2000), 1500).BurstBytes);

    [Theory]
    [InlineData(1500, 3028u)]
    [InlineData(9000, 18028u)]
    public void ABurstHasRoomForTwoPackets(int mtu, uint bytes)
        => Assert.Equal(bytes, PortRateLimit.Bucket(new PortRate(1, BurstKilobytes: 1), mtu).BurstBytes);

    [Theory]
    [InlineData(1000)]
    [InlineData(2000)]
    public void APeakThatIsNotAboveTheAverageIsNone(long peak) => Assert.Null(PortRateLimit.Bucket(new PortRate(2000, peak), 1500).PeakBytesPerSecond);

    [Fact]
    public void RatesBeyond32BitsArriveWhole() => Assert.Equal(12_500_000_000, PortRateLimit.Bucket(new PortRate(12_500_000), 1500).BytesPerSecond);
}
