using NovaLxd.Images;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Tests.Images;

public sealed class ImageChecksTests
{
    private static readonly ImageDescription Image = new() { Id = "ea9211b6", Status = "active", MinRam = 64, MinDisk = 1 };

    [Fact]
    public void WhatFitsIsTaken() => ImageChecks.Check(Image, Flavor(64, 1));

    [Fact]
    public void AFlavorWithoutRootDiskFitsEveryImage() => ImageChecks.Check(Image with { MinDisk = 100 }, Flavor(64, 0));

    [Theory]
    [InlineData("queued")]
    [InlineData("deactivated")]
    public void AnImageThatIsNotActiveIsRefused(string status) =>
        Assert.Throws<ImageNotActiveException>(() => ImageChecks.Check(Image with { Status = status }, Flavor(64, 1)));

    [Fact]
    public void TooLittleMemoryIsNamed() =>
        Assert.Contains("63 MiB", Assert.Throws<FlavorMemoryTooSmallException>(() => ImageChecks.Check(Image, Flavor(63, 1))).Message, StringComparison.Ordinal);

    [Fact]
    public void TooSmallADiskIsNamed() => Assert.Contains(
        "2 GiB", Assert.Throws<FlavorDiskTooSmallException>(() => ImageChecks.Check(Image with { MinDisk = 2 }, Flavor(64, 1))).Message, StringComparison.Ordinal);

    private static Flavor Flavor(int memory, int disk)
    {
        var flavor = NovaObject.Create<Flavor>();
        flavor.Set("memory_mb", memory);
        flavor.Set("root_gb", disk);
        return flavor;
    }
}
