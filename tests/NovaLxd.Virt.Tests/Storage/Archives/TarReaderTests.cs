using System.Text;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Tests.Storage.Archives;

public sealed class TarReaderTests
{
    [Fact]
    public void ReadsFieldsAndContentOfAPlainMember()
    {
        var (entry, content) = Assert.Single(Read(new TarBuilder().File("etc/motd", "hello", 0b100_110_100_100, 7, 8).Build()));

        Assert.Equal("etc/motd", Text(entry.Path));
        Assert.Equal(EntryKind.File, entry.Kind);
        Assert.Equal(0b100_110_100_100u, entry.Mode);
        Assert.Equal((7L, 8L, 5L, 1_700_000_000L), (entry.UserId, entry.GroupId, entry.Size, entry.ModifiedSeconds));
        Assert.Equal("hello", Text(content));
    }

    [Fact]
    public void SkipsContentNobodyRead()
    {
        using var reader = new TarReader(new MemoryStream(new TarBuilder().File("a", new string('x', 5000)).File("b", "y").Build()));
        Assert.Equal("a", Text(reader.Next()!.Path));
        Assert.Equal("b", Text(reader.Next()!.Path));
        Assert.Null(reader.Next());
    }

    [Fact]
    public void PaxRecordsWinOverTheHeader()
    {
        var longName = string.Join('/', Enumerable.Repeat("folder", 60));
        var archive = new TarBuilder()
            .Pax(
                ("path", Encoding.UTF8.GetBytes(longName)), ("uid", "65535"u8.ToArray()), ("gid", "12"u8.ToArray()),
                ("mtime", "-1.25"u8.ToArray()), ("SCHILY.xattr.user.x", [0, 0xFF, 0x0A, 1]))
            .File("short", "")
            .File("next", "")
            .Build();

        var entries = Read(archive).ConvertAll(read => read.Entry);

        Assert.Equal(longName, Text(entries[0].Path));
        Assert.Equal((65535L, 12L, -2L, 750_000_000L), (entries[0].UserId, entries[0].GroupId, entries[0].ModifiedSeconds, entries[0].ModifiedNanoseconds));
        Assert.Equal(new byte[] { 0, 0xFF, 0x0A, 1 }, Assert.Single(entries[0].ExtendedAttributes).Value);
        Assert.Equal("next", Text(entries[1].Path));
        Assert.Empty(entries[1].ExtendedAttributes);
    }

    [Fact]
    public void ReadsAttributesInBase64AsLibarchiveWritesThem()
    {
        var archive = new TarBuilder().Pax("LIBARCHIVE.xattr.user.a%20b", "AP8").File("f", "").Build();
        var attribute = Assert.Single(Assert.Single(Read(archive)).Entry.ExtendedAttributes);
        Assert.Equal("user.a b", attribute.Name);
        Assert.Equal(new byte[] { 0, 0xFF }, attribute.Value);
    }

    [Fact]
    public void ReadsGnuLongNamesAndBase256Numbers()
    {
        var name = new string('n', 300);
        var archive = new TarBuilder()
            .Member("././@LongLink", 'L', Encoding.ASCII.GetBytes(name + '\0'))
            .Member("././@LongLink", 'K', Encoding.ASCII.GetBytes(name + "target\0"))
            .Member("cut", TarBuilder.SymbolicLinkType, link: "cut", change: header =>
            {
                header[108] = 0x80; // uid in base 256
                header.AsSpan(109, 7).Clear();
                header[114] = 0x12;
                header[115] = 0x34;
            })
            .Build();

        var entry = Assert.Single(Read(archive)).Entry;

        Assert.Equal(name, Text(entry.Path));
        Assert.Equal(name + "target", Text(entry.LinkTarget));
        Assert.Equal(0x1234, entry.UserId);
    }

    [Theory]
    [InlineData("0.0")]
    [InlineData("0.1")]
    [InlineData("1.0")]
    [InlineData("old")]
    public void ReadsEverySparseFormat(string format)
    {
        DataExtent[] map = [new(4096, 3), new(100_000, 2)];
        var builder = new TarBuilder();
        var data = "abcde"u8.ToArray();
        _ = format switch
        {
            "0.0" => builder
                .Pax(
                    ("GNU.sparse.size", "200000"u8.ToArray()), ("GNU.sparse.numblocks", "2"u8.ToArray()), ("GNU.sparse.offset", "4096"u8.ToArray()),
                    ("GNU.sparse.numbytes", "3"u8.ToArray()), ("GNU.sparse.offset", "100000"u8.ToArray()), ("GNU.sparse.numbytes", "2"u8.ToArray()))
                .Member("s", '0', data),
            "0.1" => builder
                .Pax(("GNU.sparse.size", "200000"u8.ToArray()), ("GNU.sparse.map", "4096,3,100000,2"u8.ToArray()), ("GNU.sparse.name", "s"u8.ToArray()))
                .Member("GNUSparseFile.1/s", '0', data),
            "1.0" => builder
                .Pax(
                    ("GNU.sparse.major", "1"u8.ToArray()), ("GNU.sparse.minor", "0"u8.ToArray()), ("GNU.sparse.name", "s"u8.ToArray()),
                    ("GNU.sparse.realsize", "200000"u8.ToArray()))
                .Member("GNUSparseFile.1/s", '0', [.. Encoding.ASCII.GetBytes("2\n4096\n3\n100000\n2\n".PadRight(512, '\0')), .. data]),
            _ => builder.Member("s", 'S', data, change: header =>
            {
                TarBuilder.Octal(header, 386, 12, 4096);
                TarBuilder.Octal(header, 398, 12, 3);
                TarBuilder.Octal(header, 410, 12, 100_000);
                TarBuilder.Octal(header, 422, 12, 2);
                TarBuilder.Octal(header, 483, 12, 200_000);
            }),
        };
        var archive = builder.File("after", "z").Build();

        var read = Read(archive);

        Assert.Equal("s", Text(read[0].Entry.Path));
        Assert.Equal(200_000, read[0].Entry.Size);
        Assert.Equal(map, read[0].Entry.DataExtents);
        Assert.Equal("abcde", Text(read[0].Content));
        Assert.Equal("z", Text(read[1].Content));
    }

    [Fact]
    public void AnArchiveCutAnywhereIsTruncatedOrDamaged()
    {
        var whole = TarBuilder.Root().Pax("path", "etc/long").File("x", "content").BuildWithoutEnd();
        for (var length = 0; length < whole.Length; length += 100)
        {
            Assert.Throws<ImageRejectedException>(() => Read(whole[..length]));
        }
    }

    [Fact]
    public void SomethingAfterTheEndIsRefused()
    {
        byte[] archive = [.. new TarBuilder().File("a", "").Build(), .. new byte[2048], 1];
        Assert.Contains("after its end", Assert.Throws<ImageRejectedException>(() => Read(archive)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PaddingToABlockingFactorIsAccepted() => Assert.Single(Read([.. new TarBuilder().File("a", "").Build(), .. new byte[64 * 1024]]));

    [Theory]
    [InlineData("GNU.sparse.map", "0,10,5,10")]
    [InlineData("GNU.sparse.map", "0,999")]
    [InlineData("GNU.sparse.map", "0")]
    [InlineData("GNU.sparse.map", "0,-5")]
    [InlineData("GNU.sparse.map", "9223372036854775807,9223372036854775807")]
    [InlineData("size", "9223372036854775807")]
    [InlineData("size", "-1")]
    [InlineData("uid", "x")]
    [InlineData("mtime", "yesterday")]
    public void SenselessRecordsAreRefused(string key, string value)
    {
        var archive = new TarBuilder().Pax(("GNU.sparse.size", "20"u8.ToArray()), (key, Encoding.ASCII.GetBytes(value))).File("s", "0123456789").Build();
        Assert.Throws<ImageRejectedException>(() => Read(archive));
    }

    [Fact]
    public void ExtendedHeadersWithoutEndAreRefused()
    {
        var builder = new TarBuilder();
        for (var i = 0; i < 100; i++)
        {
            builder.Pax("comment", "again");
        }

        Assert.Throws<ImageRejectedException>(() => Read(builder.File("a", "").Build()));
        Assert.Throws<ImageRejectedException>(() => Read(new TarBuilder().Member("x", 'x', new byte[2 << 20]).Build()));
    }

    private static List<(ArchiveEntry Entry, byte[] Content)> Read(byte[] archive)
    {
        using var reader = new TarReader(new MemoryStream(archive));
        var read = new List<(ArchiveEntry, byte[])>();
        while (reader.Next() is { } entry)
        {
            var content = new MemoryStream();
            var buffer = new byte[100];
            for (int length; (length = reader.Read(buffer)) > 0;)
            {
                content.Write(buffer, 0, length);
            }

            read.Add((entry, content.ToArray()));
        }

        return read;
    }

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);
}
