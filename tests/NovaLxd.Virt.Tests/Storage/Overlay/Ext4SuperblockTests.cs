using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Storage.Overlay;

namespace NovaLxd.Virt.Tests.Storage.Overlay;

/// <summary>Against e2fsprogs, whose word counts.</summary>
public sealed class Ext4SuperblockTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nls-").FullName;

    [Theory]
    [InlineData(16L << 20)]
    [InlineData(1L << 30)]
    [InlineData((10L << 30) + 5000)]
    [InlineData(2L << 40)]
    public async Task AClonedDiskIsCleanAndHasItsOwnIdentity(long size)
    {
        var template = await new Ext4Templates(_folder).GetAsync(size, CancellationToken.None);
        var disk = Path.Combine(_folder, "disk");
        Ext4Templates.Clone(template, disk).Dispose();

        Assert.Equal(size / 4096 * 4096, new FileInfo(disk).Length);
        var (before, after) = (await DumpAsync(template), await DumpAsync(disk));
        Assert.NotEqual(before["Filesystem UUID"], after["Filesystem UUID"]);
        Assert.NotEqual(before["Directory Hash Seed"], after["Directory Hash Seed"]);
        Assert.Equal(before["Checksum seed"], after["Checksum seed"]);

        // -n changes nothing and ends with a status other than 0 for any difference, the copies of the superblock included.
        await CommandRunner.RunAsync(["e2fsck", "-f", "-n", disk], CancellationToken.None);
        var preen = await CommandRunner.RunAsync(["e2fsck", "-p", disk], CancellationToken.None);
        Assert.Contains("clean", preen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NumbersAreThoseOfDumpe2fs()
    {
        var path = await new Ext4Templates(_folder).GetAsync(300L << 20, CancellationToken.None);
        var dump = await DumpAsync(path);

        using var file = File.OpenHandle(path);
        var superblock = Ext4Disks.ReadSuperblock(file)!.Value;

        Assert.Equal(dump["Block count"], $"{superblock.Blocks}");
        Assert.Equal(dump["Free blocks"], $"{superblock.FreeBlocks}");
        Assert.Equal(dump["Overhead clusters"], $"{superblock.OverheadBlocks}");
        Assert.Equal(dump["Block size"], $"{superblock.BlockSize}");
        Assert.False(superblock.HasErrors);
        Assert.InRange(superblock.UsedBytes, 0, 64 * 1024);
    }

    [Fact]
    public async Task TheMarkOfDamageIsSeen()
    {
        var path = await new Ext4Templates(_folder).GetAsync(Ext4Templates.MinSize, CancellationToken.None);
        await CommandRunner.RunAsync(["debugfs", "-w", "-R", "ssv state 3", path], CancellationToken.None);
        using var file = File.OpenHandle(path);
        Assert.True(Ext4Disks.ReadSuperblock(file)!.Value.HasErrors);
    }

    [Fact]
    public void OtherBytesAreNoSuperblock() => Assert.Null(Ext4Superblock.Parse(new byte[1024]));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<Dictionary<string, string>> DumpAsync(string path)
    {
        var text = await CommandRunner.RunAsync(["dumpe2fs", "-h", path], CancellationToken.None);
        return text.Split('\n').Select(line => line.Split(':', 2)).Where(pair => pair.Length == 2).DistinctBy(pair => pair[0])
            .ToDictionary(pair => pair[0], pair => pair[1].Trim());
    }
}
