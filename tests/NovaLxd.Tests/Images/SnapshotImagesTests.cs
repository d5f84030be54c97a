using Newtonsoft.Json;
using NovaLxd.Images;
using NovaLxd.Objects;

namespace NovaLxd.Tests.Images;

public class SnapshotImagesTests
{
    private const long GiB = 1L << 30;

    [Fact]
    public void TheImageIsDescribedAsNovasDriversDo() => Assert.Equal(
        """
        add /disk_format "raw"
        add /container_format "bare"
        add /kernel_id null
        add /ramdisk_id null
        add /image_location "snapshot"
        add /image_state "available"
        add /owner_id "fea9d3d0cdd24cebbbdefdd5dfbc7790"
        """.ReplaceLineEndings("\n"),
        Text(Recorded.Object<Instance>("zed"), minDisk: 1, GiB));

    [Fact]
    public void WhatTheInstanceHasOfItsFirstImageIsKept()
    {
        var instance = Recorded.Object<Instance>("zed");
        instance.Set("kernel_id", "ea9211b6-6d9a-4a2f-ad74-7342ac7188e5");
        instance.Set("os_type", "linux");

        var text = Text(instance, minDisk: 1, GiB);

        Assert.Contains("add /kernel_id \"ea9211b6-6d9a-4a2f-ad74-7342ac7188e5\"", text, StringComparison.Ordinal);
        Assert.EndsWith("\nadd /os_type \"linux\"", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 0, null)]
    [InlineData(0, 1, 1)]
    [InlineData(1, GiB, null)]
    [InlineData(1, GiB + 1, 2)]
    [InlineData(5, 2 * GiB, null)]
    public void ARootDiskMustHoldIt(int minDisk, long unpacked, int? expected)
    {
        var change = SnapshotImages.Changes(Recorded.Object<Instance>("zed"), minDisk, unpacked).SingleOrDefault(c => c.Path == "/min_disk");

        Assert.Equal(expected, (int?)change?.Value);
    }

    private static string Text(Instance instance, int minDisk, long unpacked) => string.Join(
        '\n', SnapshotImages.Changes(instance, minDisk, unpacked).Select(c => $"{c.Op} {c.Path} {c.Value!.ToString(Formatting.None)}"));
}
