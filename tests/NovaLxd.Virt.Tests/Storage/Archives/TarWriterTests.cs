using System.Text;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Tests.Storage.Archives;

/// <summary>What is written is read as it was, by our own reader and by tar(1).</summary>
public sealed class TarWriterTests
{
    private static readonly string _long = string.Join('/', Enumerable.Repeat("a folder with a long name", 20));

    [Fact]
    public void EveryKindOfMemberComesBack()
    {
        ArchiveEntry[] entries =
        [
            Entry("./", EntryKind.Directory, 0x3FF) with { ModifiedSeconds = 1, ModifiedNanoseconds = 20 },
            Entry("file", EntryKind.File, 0x9ED) with { Size = 3, UserId = 1000, GroupId = 65535, ExtendedAttributes = [new("user.a", "1\n=2"u8.ToArray()), new("security.capability", [1, 0, 0, 2, 10])] },
            Entry("old", EntryKind.File, 0x1A4) with { ModifiedSeconds = -5, ModifiedNanoseconds = 500_000_000 },
            Entry("late", EntryKind.File, 0x1A4) with { ModifiedSeconds = 0x3_0000_0000 },
            Entry(_long, EntryKind.SymbolicLink, 0x1FF) with { LinkTarget = Encoding.UTF8.GetBytes("../" + _long) },
            Entry("link", EntryKind.HardLink, 0x1A4) with { LinkTarget = "file"u8.ToArray() },
            Entry("fifo", EntryKind.Fifo, 0x180),
            Entry("null", EntryKind.CharacterDevice, 0x1B6) with { DeviceMajor = 1, DeviceMinor = 3 },
            Entry("disk", EntryKind.BlockDevice, 0x1B0) with { DeviceMajor = 259, DeviceMinor = 70000 },
            Entry("x", EntryKind.File, 0x1A4) with { Path = [0xFF, 0xC3, (byte)'x'] },
        ];
        var archive = Write([.. entries.Select(entry => (entry, entry.Kind == EntryKind.File ? new byte[entry.Size] : []))]);

        var read = Read(archive).Select(member => member.Entry).ToArray();

        Assert.Equal(entries.Length, read.Length);
        foreach (var (expected, actual) in entries.Zip(read))
        {
            Assert.Equal(Describe(expected), Describe(actual));
        }
    }

    /// <summary>The length of a record counts its own digits, which may make it one digit longer.</summary>
    [Fact]
    public void RecordsOfEveryLengthAreRead()
    {
        for (var length = 70; length < 120; length++)
        {
            var value = new byte[length];
            var archive = Write((Entry("file", EntryKind.File, 0x1A4) with { ExtendedAttributes = [new("user.a", value)] }, []));
            Assert.Equal(length, Assert.Single(Assert.Single(Read(archive)).Entry.ExtendedAttributes).Value.Length);
        }
    }

    [Fact]
    public async Task HolesAreKeptAndTarUnderstandsThem()
    {
        DataExtent[] extents = [new(4096, 512), new(1 << 20, 4090), new(3 << 20, 0)]; // As tar(1) writes them.
        byte[] data = [.. Enumerable.Repeat((byte)5, 512), .. Enumerable.Repeat((byte)7, 4090)];
        var sparse = Entry(_long + "/sparse", EntryKind.File, 0x1A4) with { Size = 3 << 20, DataExtents = extents[..2] };
        var empty = Entry("empty", EntryKind.File, 0x1A4) with { Size = 1 << 20, DataExtents = [] };
        var archive = Write((sparse, data), (empty, []), (Entry("after", EntryKind.File, 0x1A4) with { Size = 1 }, [9]));

        var read = Read(archive);
        Assert.Equal((3 << 20, extents, data), (read[0].Entry.Size, read[0].Entry.DataExtents!, read[0].Data), new SparseComparer());
        Assert.Equal((1 << 20, new DataExtent(1 << 20, 0)), (read[1].Entry.Size, Assert.Single(read[1].Entry.DataExtents!)));
        Assert.Equal([9], read[2].Data);

        var folder = Directory.CreateTempSubdirectory("nlt-tar-").FullName;
        try
        {
            await File.WriteAllBytesAsync($"{folder}/archive", archive);
            await CommandRunner.RunAsync(["tar", "-xf", $"{folder}/archive", "-C", folder], CancellationToken.None);
            var content = new byte[3 << 20];
            Array.Copy(data, 0, content, 4096, 512);
            Array.Copy(data, 512, content, 1 << 20, 4090);
            var unpacked = await File.ReadAllBytesAsync($"{folder}/{_long}/sparse");
            Assert.True(content.AsSpan().SequenceEqual(unpacked));
            Assert.Equal(1 << 20, new FileInfo($"{folder}/empty").Length);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void OfTooManyHolesTheSmallestAreFilled()
    {
        var many = Enumerable.Range(0, TarWriter.MaxExtents + 1).Select(i => new DataExtent(i * 8192L, 4096)).Append(new DataExtent(1L << 40, 4096)).ToArray();

        var fewer = TarWriter.WithoutSmallHoles(many, 1L << 41)!;

        Assert.Equal([new DataExtent(0, (TarWriter.MaxExtents * 8192L) + 4096), new DataExtent(1L << 40, 4096)], fewer);
        Assert.Null(TarWriter.WithoutSmallHoles([new DataExtent(0, 10)], 10));
        Assert.Null(TarWriter.WithoutSmallHoles([], 0));
        Assert.Equal([], TarWriter.WithoutSmallHoles([], 10)!);
    }

    private static ArchiveEntry Entry(string path, EntryKind kind, uint mode) => new()
    {
        Path = Encoding.UTF8.GetBytes(path),
        Kind = kind,
        Mode = mode,
        UserId = 0,
        GroupId = 0,
    };

    private static string Describe(ArchiveEntry entry) => string.Join(
        ' ', entry.Kind, Convert.ToHexString(entry.Path), entry.Mode, entry.UserId, entry.GroupId, entry.Size, entry.ModifiedSeconds, entry.ModifiedNanoseconds,
        Convert.ToHexString(entry.LinkTarget), entry.DeviceMajor, entry.DeviceMinor,
        string.Join(',', entry.ExtendedAttributes.Select(attribute => $"{attribute.Name}={Convert.ToHexString(attribute.Value)}")));

    private static byte[] Write(params (ArchiveEntry Entry, byte[] Data)[] members)
    {
        var output = new MemoryStream();
        var tar = new TarWriter(output);
        foreach (var (entry, data) in members)
        {
            tar.Begin(entry);
            tar.Write(data);
            tar.End();
        }

        tar.Finish();
        return output.ToArray();
    }

    private static List<(ArchiveEntry Entry, byte[] Data)> Read(byte[] archive)
    {
        using var reader = new TarReader(new MemoryStream(archive));
        var members = new List<(ArchiveEntry, byte[])>();
        while (reader.Next() is { } entry)
        {
            var data = new MemoryStream();
            var buffer = new byte[1000];
            for (int read; (read = reader.Read(buffer)) > 0;)
            {
                data.Write(buffer, 0, read);
            }

            members.Add((entry, data.ToArray()));
        }

        return members;
    }

    private sealed class SparseComparer : IEqualityComparer<(long Size, IReadOnlyList<DataExtent> Extents, byte[] Data)>
    {
        public bool Equals((long Size, IReadOnlyList<DataExtent> Extents, byte[] Data) x, (long Size, IReadOnlyList<DataExtent> Extents, byte[] Data) y) =>
            x.Size == y.Size && x.Extents.SequenceEqual(y.Extents) && x.Data.AsSpan().SequenceEqual(y.Data);

        public int GetHashCode((long Size, IReadOnlyList<DataExtent> Extents, byte[] Data) obj) => obj.Size.GetHashCode();
    }
}
