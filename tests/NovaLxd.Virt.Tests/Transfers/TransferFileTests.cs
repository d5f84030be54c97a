using System.Security.Cryptography;
using NovaLxd.Virt.Storage;
using NovaLxd.Virt.Storage.Overlay;
using NovaLxd.Virt.Transfers;

namespace NovaLxd.Virt.Tests.Transfers;

/// <summary>Files with holes, read on one side and written on the other.</summary>
public sealed class TransferFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("nlx").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void DataAndHolesComeAsTheyWere()
    {
        var source = Path.Combine(_folder, "source");
        using (var file = File.OpenHandle(source, FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(file, RandomNumberGenerator.GetBytes(100_000), 5 << 20);
            RandomAccess.Write(file, RandomNumberGenerator.GetBytes(3 << 20), 20 << 20);
            RandomAccess.SetLength(file, 64 << 20);
        }

        using var departing = new DepartingFile("root", new PackedFile(Ext4Disks.Open(source, writable: false), null));
        var target = Path.Combine(_folder, "target");
        using var hash = new TransferHash();
        using (var arriving = Arriving(target, departing.Part))
        {
            var pieces = Copy(departing, arriving, hash, 0);
            Assert.InRange(pieces, 4, 10);
            arriving.Finish(hash.Value);
        }

        Assert.Equal(File.ReadAllBytes(source), File.ReadAllBytes(target));
        Assert.InRange(Allocated(target), 3 << 20, Allocated(source));
    }

    [Fact]
    public void WhatCameAlreadyIsNotTakenTwice()
    {
        using var arriving = Arriving(Path.Combine(_folder, "target"), new TransferPart("root", 100, 100));
        Assert.True(arriving.Write(10, new byte[] { 1, 2, 3 }));
        Assert.False(arriving.Write(10, new byte[] { 1, 2, 3 }));
        Assert.False(arriving.Write(12, new byte[] { 3 }));
        Assert.True(arriving.Write(13, new byte[] { 4 }));
        Assert.Equal(14, arriving.Position);
    }

    [Theory]
    [InlineData(98, 3)]
    [InlineData(100, 1)]
    [InlineData(long.MaxValue, 1)]
    public void NothingIsWrittenBeyondTheEnd(long offset, int length)
    {
        using var arriving = Arriving(Path.Combine(_folder, "target"), new TransferPart("root", 100, 100));
        Assert.Throws<TransferRefusedException>(() => arriving.Write(offset, new byte[length]));
    }

    [Fact]
    public void AnotherHashIsRefused()
    {
        using var arriving = Arriving(Path.Combine(_folder, "target"), new TransferPart("root", 100, 100));
        arriving.Write(0, new byte[] { 1 });
        using var other = new TransferHash();
        other.Append(0, [2]);
        Assert.Throws<TransferRefusedException>(() => arriving.Finish(other.Value));
        Assert.Throws<TransferRefusedException>(() => arriving.Finish(""));
    }

    [Fact]
    public void TheOffsetCountsForTheHash()
    {
        using var one = new TransferHash();
        using var other = new TransferHash();
        one.Append(0, [1]);
        other.Append(8, [1]);
        Assert.NotEqual(one.Value, other.Value);
    }

    [Theory]
    [InlineData("""{"spec":{"id":"00000000-0000-0000-0000-000000000001","name":"a","hostname":"a","imageKey":"k"},"root":"Layer","parts":[],"extra":1}""")]
    [InlineData("""{"root":"Layer","parts":[]}""")]
    [InlineData("""{"spec":null,"root":"Layer","parts":[]}""")]
    [InlineData("[]")]
    [InlineData("")]
    public void AManifestThatIsNoneIsRefused(string json) =>
        Assert.Throws<TransferRefusedException>(() => ContainerManifest.FromJson(System.Text.Encoding.UTF8.GetBytes(json)));

    [Theory]
    [InlineData("root", "disk")]
    [InlineData("root", "disk0")]
    [InlineData("root", "disk00")]
    [InlineData("../../etc/passwd")]
    [InlineData("image")]
    [InlineData("root", "root")]
    public void PartsHaveFixedNames(params string[] names)
    {
        var manifest = Manifest() with { Parts = [.. names.Select(n => new TransferPart(n, 1, 1))] };
        Assert.Throws<TransferRefusedException>(() => ContainerTransfers.Check(manifest));
    }

    [Fact]
    public void ADiskIsNoLargerThanTheContainersLimit()
    {
        ContainerTransfers.Check(Manifest());
        Assert.Throws<TransferRefusedException>(() => ContainerTransfers.Check(Manifest() with { Parts = [new TransferPart("root", (1 << 20) + 1, 0)] }));
        Assert.Throws<TransferRefusedException>(() => ContainerTransfers.Check(Manifest() with { Root = RootForm.Layer }));
        Assert.Throws<TransferRefusedException>(() => ContainerTransfers.Check(Manifest() with { IdMapBase = null }));
        Assert.Throws<TransferRefusedException>(() => ContainerTransfers.Check(Manifest() with { Spec = Manifest().Spec with { Name = "../a" } }));
    }

    [Fact]
    public void EachFurtherDiskComesAndNoOther()
    {
        var spec = Manifest().Spec with { Disks = [new DiskSpec("/mnt", 16 << 20), new DiskSpec("/media/a", 32 << 20)] };
        ContainerTransfers.Check(With(("disk0", 16 << 20), ("disk1", 32 << 20)));
        Assert.Throws<TransferRefusedException>(() => ContainerTransfers.Check(With(("disk0", 16 << 20))));
        Assert.Throws<TransferRefusedException>(() => ContainerTransfers.Check(With(("disk0", 17 << 20), ("disk1", 32 << 20))));
        Assert.Throws<TransferRefusedException>(() => ContainerTransfers.Check(With(("disk0", 16 << 20), ("disk1", 32 << 20), ("disk2", 1))));

        ContainerManifest With(params (string Name, long Size)[] parts) =>
            Manifest() with { Spec = spec, Parts = [.. parts.Prepend(("root", 1 << 20)).Select(part => new TransferPart(part.Item1, part.Item2, 1))] };
    }

    [Fact]
    public void TheSameIdsAreGivenWhereTheyAreFreeAndElseNoneOfThem()
    {
        var ids = new IdRanges(1_000_000, 3 * 65536, []);
        Assert.Equal(1_065_536u, ids.Allocate(1_065_536).HostBase);
        Assert.Equal(1_000_000u, ids.Allocate(1_065_536).HostBase);

        var others = new IdRanges(1_000_000, 3 * 65536, []);
        others.Reserve(new(1_000_000, 65536));
        Assert.Equal(1_131_072u, others.Allocate(1_040_000).HostBase);
    }

    private static ContainerManifest Manifest() => new()
    {
        Spec = new ContainerSpec { Id = Guid.NewGuid(), Name = "a", Hostname = "a", ImageKey = "k", RootDiskBytes = 1 << 20 },
        Root = RootForm.Disk,
        IdMapBase = 1_000_000,
        Parts = [new TransferPart("root", 1 << 20, 4096)],
    };

    private static ArrivingFile Arriving(string path, TransferPart part)
    {
        var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite);
        RandomAccess.SetLength(file, part.Size);
        return new ArrivingFile(part, file);
    }

    private static int Copy(DepartingFile source, ArrivingFile target, TransferHash hash, long at)
    {
        var (buffer, pieces) = (new byte[1 << 20], 0);
        while (source.ReadNext(at, buffer) is (var offset, > 0 and var length))
        {
            hash.Append(offset, buffer.AsSpan(0, length));
            Assert.True(target.Write(offset, buffer.AsSpan(0, length)));
            at = offset + length;
            pieces++;
        }

        return pieces;
    }

    private static long Allocated(string path)
    {
        using var file = Ext4Disks.Open(path, writable: false);
        return NovaLxd.Virt.Kernel.FileStatus.Of(file).Blocks * 512;
    }
}
