using NovaLxd.Virt.Cgroups;

namespace NovaLxd.Virt.Tests.Cgroups;

/// <summary>On a sysfs of files and links with a disk 8:0, its partition 8:1 and a loop device 7:0.</summary>
public sealed class StorageDeviceTests : IDisposable
{
    private readonly string _sysfs = Directory.CreateTempSubdirectory("nlt-sysfs-").FullName;

    public StorageDeviceTests()
    {
        AddDevice("sda", "8:0");
        AddDevice("sda/sda1", "8:1");
        File.WriteAllText(Path.Combine(_sysfs, "devices/sda/sda1/partition"), "1\n");
        AddDevice("loop0", "7:0");
    }

    public void Dispose() => Directory.Delete(_sysfs, true);

    [Theory]
    [InlineData("29 1 8:0 / / rw - ext4 /dev/sda rw", "8:0")]
    [InlineData("29 1 8:1 / / rw - ext4 /dev/sda1 rw", "8:0")]
    [InlineData("29 1 7:0 / / rw - ext4 /dev/loop0 rw", "7:0")]
    [InlineData("29 1 0:33 /sub / rw shared:1 - btrfs /dev/sda1 rw", "8:0")]
    public void ThePartitionsDiskIsMeant(string mount, string number) => Assert.Equal(number, StorageDevice.Resolve("/x", mount, _sysfs).Number);

    [Fact]
    public void ALoopDeviceIsFollowedToTheDiskOfItsFile()
    {
        // The file is real and on whatever disk this folder is on; the loop device is not.
        Directory.CreateDirectory(Path.Combine(_sysfs, "devices/loop0/loop"));
        File.WriteAllText(Path.Combine(_sysfs, "devices/loop0/loop/backing_file"), Path.Combine(_sysfs, "devices/sda/dev") + "\n");
        Assert.Equal(StorageDevice.Find(_sysfs), StorageDevice.Resolve("/x", "29 1 7:0 / / rw - ext4 /dev/loop0 rw", _sysfs));
    }

    [Theory]
    [InlineData("29 1 0:40 / /x rw - tmpfs tmpfs rw", "/x is on tmpfs (tmpfs)")]
    [InlineData("29 1 0:41 / /x rw - nfs4 server:/export rw", "/x is on nfs4 (server:/export)")]
    [InlineData("29 1 9:9 / /x rw - ext4 /dev/gone rw", "block device 9:9")]
    public void AFolderWithoutADiskIsExplained(string mount, string words)
    {
        var device = StorageDevice.Resolve("/x", mount, _sysfs);
        Assert.Null(device.Number);
        Assert.StartsWith(words, device.Problem, StringComparison.Ordinal);
    }

    private void AddDevice(string path, string number)
    {
        var folder = Path.Combine(_sysfs, "devices", path);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "dev"), number + "\n");
        foreach (var (index, name) in new[] { ("dev/block", number), ("class/block", Path.GetFileName(path)) })
        {
            Directory.CreateDirectory(Path.Combine(_sysfs, index));
            Directory.CreateSymbolicLink(Path.Combine(_sysfs, index, name), folder);
        }
    }
}
