using System.Text;
using NovaLxd.Virt.Storage.Archives;
using NovaLxd.Virt.Storage.Archives.Squashfs;

namespace NovaLxd.Virt.Tests.Storage.Archives;

/// <summary>Images by mksquashfs(1), package squashfs-tools.</summary>
public sealed class SquashfsReaderTests
{
    [Theory]
    [InlineData("gzip")]
    [InlineData("xz")]
    [InlineData("zstd")]
    public async Task GivesBackWhatMksquashfsPutIn(string compressor)
    {
        var large = string.Concat(Enumerable.Range(0, 60_000).Select(i => $"line {i}\n"));
        var tar = TarBuilder.Root()
            .File("etc/large", large, uid: 1000, gid: 2000)
            .HardLink("etc/second", "etc/large")
            .File("bin/su", "su", 0b100_111_101_101)
            .SymbolicLink("etc/link", "../usr/lib/x")
            .Member("etc/pipe", TarBuilder.FifoType)
            .Member("dev", TarBuilder.DirectoryType, mode: 0b111_101_101)
            .Member("dev/null", TarBuilder.CharacterDeviceType)
            .Build();

        var read = await ReadAsync(await TarBuilder.SquashfsAsync(tar, "-comp", compressor, "-b", "65536"));

        Assert.Equal(large, read["etc/large"].Content.Length > 0 ? read["etc/large"].Content : read["etc/second"].Content);
        Assert.Single(read.Values, item => item.Entry.Kind == EntryKind.HardLink);
        Assert.Equal(1000, read["etc/large"].Entry.UserId);
        Assert.Equal(0b100_111_101_101u, read["bin/su"].Entry.Mode);
        Assert.Equal("../usr/lib/x", Encoding.UTF8.GetString(read["etc/link"].Entry.LinkTarget));
        Assert.Equal(EntryKind.Fifo, read["etc/pipe"].Entry.Kind);
        Assert.Equal((EntryKind.CharacterDevice, 1u, 3u), (read["dev/null"].Entry.Kind, read["dev/null"].Entry.DeviceMajor, read["dev/null"].Entry.DeviceMinor));
        Assert.Equal(1_700_000_000, read["bin/sh"].Entry.ModifiedSeconds);
    }

    [Fact]
    public async Task ReadsManyFilesLargeFoldersAndHoles()
    {
        var builder = TarBuilder.Root().Directory("many/");
        for (var i = 0; i < 3000; i++)
        {
            builder.File($"many/file-{i:d5}", $"{i}");
        }

        var hole = new byte[1 << 20];
        hole[500_000] = 1;
        builder.Member("holes", TarBuilder.FileType, hole);
        var read = await ReadAsync(await TarBuilder.SquashfsAsync(builder.Build()));

        Assert.Equal(3000, read.Keys.Count(path => path.StartsWith("many/", StringComparison.Ordinal)));
        Assert.All(Enumerable.Range(0, 3000), i => Assert.Equal($"{i}", read[$"many/file-{i:d5}"].Content));
        var holes = read["holes"];
        Assert.Equal(1 << 20, holes.Entry.Size);
        var extent = Assert.Single(holes.Entry.DataExtents!);
        Assert.Equal((393_216L, 131_072L), (extent.Offset, extent.Length));
        Assert.Equal(1, holes.Content[500_000 - 393_216]);
    }

    [Fact]
    public async Task ReadsExtendedAttributes()
    {
        var tar = TarBuilder.Root()
            .Pax(("SCHILY.xattr.user.note", [1, 0, 2]), ("SCHILY.xattr.security.capability", Capability)).File("bin/ping", "x")
            .Pax("SCHILY.xattr.user.note", "same").File("etc/a", "1")
            .Pax("SCHILY.xattr.user.note", "same").File("etc/b", "2")
            .Build();
        var read = await ReadAsync(await TarBuilder.SquashfsAsync(tar));
        Assert.Equal([1, 0, 2], read["bin/ping"].Entry.ExtendedAttributes.Single(a => a.Name == "user.note").Value);
        Assert.Equal(Capability, read["bin/ping"].Entry.ExtendedAttributes.Single(a => a.Name == "security.capability").Value);
        Assert.Equal("same"u8.ToArray(), Assert.Single(read["etc/b"].Entry.ExtendedAttributes).Value);
        Assert.Empty(read["etc"].Entry.ExtendedAttributes);
    }

    [Fact]
    public async Task OtherCompressorsAreNamed()
    {
        var image = await TarBuilder.SquashfsAsync(TarBuilder.Root().Build(), "-comp", "lz4");
        var failure = await Assert.ThrowsAsync<ImageRejectedException>(() => ReadAsync(image));
        Assert.Contains("lz4", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnyChangedByteEndsInARefusalOrInMembers()
    {
        var image = await TarBuilder.SquashfsAsync(TarBuilder.Root().File("etc/a", new string('a', 10_000)).Pax("SCHILY.xattr.user.x", "y").File("etc/b", "b").Build(), "-noI");
        var random = new Random(1);
        for (var round = 0; round < 500; round++)
        {
            var changed = (byte[])image.Clone();
            for (var i = 0; i < 1 + (round % 3); i++)
            {
                changed[round < 96 ? round : random.Next(changed.Length)] = (byte)random.Next(256);
            }

            try
            {
                await ReadAsync(changed).WaitAsync(TimeSpan.FromMinutes(5));
            }
            catch (ImageRejectedException)
            {
                // As it should; anything else fails the test.
            }
        }
    }

    internal static byte[] Capability => [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    private static async Task<Dictionary<string, (ArchiveEntry Entry, string Content)>> ReadAsync(byte[] image)
    {
        var path = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(path, image);
            using var file = File.OpenHandle(path);
            using var reader = new SquashfsReader(file, 1 << 30);
            var read = new Dictionary<string, (ArchiveEntry, string)>();
            var buffer = new byte[10_000];
            while (reader.Next() is { } entry)
            {
                Assert.True(read.Count < 100_000);
                var content = new MemoryStream();
                for (int length; (length = reader.Read(buffer)) > 0;)
                {
                    content.Write(buffer, 0, length);
                }

                read[Encoding.Latin1.GetString(entry.Path)] = (entry, Encoding.Latin1.GetString(content.ToArray()));
            }

            return read;
        }
        finally
        {
            File.Delete(path);
        }
    }
}
