using NovaLxd.Instances;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Instances;

public sealed class EphemeralDisksTests
{
    private const long Gibibyte = 1L << 30;

    [Fact]
    public void EachHasItsSizeAndItsPlaceInTheOrderInWhichTheyWereAskedFor() => Assert.Equal(
        [new DiskSpec("/mnt", 2 * Gibibyte), new DiskSpec("/media/ephemeral1", Gibibyte)],
        EphemeralDisks.From(Flavor(4), [Disk(9, 1), Disk(8, 2, "ext4"), Disk(7, 512, "swap"), Disk(6, 1, source: "image"), Disk(5, 1, destination: "volume")]));

    [Fact]
    public void OneWithoutASizeIsAsLargeAsTheFlavorAllows() =>
        Assert.Equal([new DiskSpec("/mnt", 4 * Gibibyte)], EphemeralDisks.From(Flavor(4), [Disk(1, null)]));

    [Fact]
    public void AnInstanceThatGrewIntoAFlavorWithOneHasIt() =>
        Assert.Equal([new DiskSpec("/mnt", 4 * Gibibyte)], EphemeralDisks.From(Flavor(4), [Disk(1, 1, source: "image")]));

    [Theory]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("ext4", false)]
    [InlineData("swap", false)]
    [InlineData("xfs", true)]
    public void AnotherFileSystemIsRefusedByName(string? format, bool refused)
    {
        var reason = EphemeralDisks.Refusal(Disk(1, 1, format));
        Assert.Equal(refused, reason is not null);
        Assert.Equal(refused, reason?.Contains(format ?? "", StringComparison.Ordinal) ?? false);
    }

    [Fact]
    public void OneWithATagIsToldOf()
    {
        var disk = Disk(1, 1);
        disk.Tag = "scratch";
        var metadata = DeviceTags.From([], [disk])!;
        Assert.Equal("scratch", (string?)metadata["nova_object.data"]!["devices"]![0]!["nova_object.data"]!["tags"]![0]);
    }

    private static Flavor Flavor(int gibibytes)
    {
        var flavor = NovaObject.Create<Flavor>();
        flavor.EphemeralGb = gibibytes;
        return flavor;
    }

    private static BlockDeviceMapping Disk(int id, int? size, string? format = null, string source = "blank", string destination = "local")
    {
        var disk = NovaObject.Create<BlockDeviceMapping>();
        (disk.Id, disk.VolumeSize, disk.GuestFormat, disk.SourceType, disk.DestinationType, disk.NoDevice) = (id, size, format, source, destination, false);
        return disk;
    }
}
