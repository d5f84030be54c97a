using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Overlay;

namespace NovaLxd.Virt.Tests.Storage.Images;

/// <summary>Archives made to reach out of the place they are unpacked in. Beside that place lies a tree that must not change.</summary>
[Trait("Lane", "root")]
public sealed class HostileImageTests : IAsyncLifetime
{
    private static readonly CancellationToken _none = CancellationToken.None;

    /// <summary>For an import that may not end at all. One writes its file system through (syncfs(2)), and with it what others have written there.</summary>
    private static readonly TimeSpan _limit = TimeSpan.FromMinutes(10);

    private readonly string _state = Path.Combine(Path.GetTempPath(), $"nls-{Guid.NewGuid():N}");
    private HostResources _before = null!;
    private OverlayBackend _backend = null!;
    private string _canary = "";

    private string Images => Path.Combine(_state, "images");

    public async Task InitializeAsync()
    {
        RootLane.Require();
        _before = HostResources.Take(_state);
        Directory.CreateDirectory(Path.Combine(_state, "canary/folder"));
        await File.WriteAllTextAsync(Path.Combine(_state, "canary/file"), "untouched");
        await File.WriteAllTextAsync(Path.Combine(_state, "canary/folder/file"), "untouched");
        _canary = Describe(Path.Combine(_state, "canary"));
        _backend = new OverlayBackend(_state, TimeProvider.System, NullLogger<OverlayBackend>.Instance);
        await _backend.InitializeAsync(_none);
    }

    public async Task DisposeAsync()
    {
        Assert.Equal(_canary, Describe(Path.Combine(_state, "canary")));
        _backend.Dispose();
        Directory.Delete(_state, recursive: true);
        await _before.AssertUnchangedAsync();
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "parent", "leads out of the image" },
        { "parent-inside", "leads out of the image" },
        { "through-link", "behind a symbolic link" },
        { "through-absolute-link", "behind a symbolic link" },
        { "file-as-folder", "below something that is not a directory" },
        { "hard-link-out", "leads out of the image" },
        { "hard-link-absolute", "not in the image" },
        { "hard-link-through-link", "behind a symbolic link" },
        { "hard-link-to-folder", "not in the image" },
        { "whiteout", "whiteout" },
        { "device-whiteout", "whiteout" },
        { "overlay-attribute", "overlayfs" },
        { "user-overlay-attribute", "overlayfs" },
        { "large-uid", "belongs to 65536" },
        { "large-gid", "belongs to 0:4000000000" },
        { "long-name", "more than 255 bytes" },
        { "long-path", "longer than 4095" },
        { "huge-file", "bytes; all of the image may have" },
        { "huge-sparse-file", "bytes; all of the image may have" },
        { "zero-in-name", "zero byte" },
        { "folder-becomes-file", "is also a directory" },
        { "folder-becomes-link", "is also a directory" },
        { "unknown-type", "type" },
        { "bad-capability", "cannot be made" },
        { "huge-attribute", "too large for the host's file system" },
        { "many-attributes", "too large for the host's file system" },
        { "long-attribute-name", "cannot be made" },
        { "endless-link", "symbolic link to nothing or to a path that is too long" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task IsRefusedWithTheMembersName(string attack, string because)
    {
        var failure = await Assert.ThrowsAsync<ImageRejectedException>(() => ImportAsync(Attack(attack).Build()));
        Assert.Contains(because, failure.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Images));
    }

    [Fact]
    public async Task DeviceNodesAreLeftOutAndLinksToThemToo()
    {
        var root = await ImportAsync(TarBuilder.Root().Directory("dev/").Member("dev/null", TarBuilder.CharacterDeviceType).Member("dev/sda", TarBuilder.BlockDeviceType)
            .HardLink("dev/zero", "dev/null").Member("dev/initctl", TarBuilder.FifoType, mode: 0b110_000_000).Build());
        Assert.Equal(["initctl"], Directory.EnumerateFileSystemEntries(root + "/dev").Select(Path.GetFileName));
    }

    [Fact]
    public async Task WhatAnImageMayHaveIsKept()
    {
        var root = await ImportAsync(TarBuilder.Root()
            .File("bin/su", "s", 0b100_111_101_101, 0, 0)
            .Pax(("SCHILY.xattr.security.capability", Archives.SquashfsReaderTests.Capability), ("SCHILY.xattr.user.a", [0, 1]), ("SCHILY.xattr.security.selinux", [1]))
            .File("bin/ping", "p", 0b111_101_101, 1, 2)
            .Directory("tmp/", 0b001_111_111_111, 65535, 65534)
            .HardLink("bin/ping6", "./bin/ping").SymbolicLink("etc/absolute", "/etc/shadow").File("etc/a", "old").File("etc/a", "new")
            .File("implicit/deeper/file", "x").File("/etc/rooted", "r").Build());

        Assert.Equal(0b100_111_101_101u, Status(root, "bin/su").Permissions);
        Assert.Equal((65535u, 65534u, 0b001_111_111_111u), (Status(root, "tmp").UserId, Status(root, "tmp").GroupId, Status(root, "tmp").Permissions));
        Assert.Equal(1_700_000_000, Status(root, "tmp").ModifiedSeconds);
        Assert.Equal(Status(root, "bin/ping").Inode, Status(root, "bin/ping6").Inode);
        using (var bin = DirectoryHandle.Open(root + "/bin"))
        {
            using var ping = bin.OpenFile("ping"u8);
            Assert.Equal(Archives.SquashfsReaderTests.Capability, Xattr.Get(ping, "security.capability"));
            Assert.Equal([0, 1], Xattr.Get(ping, "user.a"));
            Assert.Null(Xattr.Get(ping, "security.selinux"));
        }

        Assert.Equal("/etc/shadow", new FileInfo(root + "/etc/absolute").LinkTarget);
        Assert.Equal("new", await File.ReadAllTextAsync(root + "/etc/a"));
        Assert.Equal(0b111_101_101u, Status(root, "implicit/deeper").Permissions);
        Assert.Equal("r", await File.ReadAllTextAsync(root + "/etc/rooted"));
    }

    [Fact]
    public async Task ALinkReplacedByAFileIsNotWrittenThrough()
    {
        var root = await ImportAsync(TarBuilder.Root().SymbolicLink("etc/out", Path.Combine(_state, "canary/file")).File("etc/out", "inside").Build());
        Assert.Equal("inside", await File.ReadAllTextAsync(root + "/etc/out"));
        Assert.True(Status(root, "etc/out").IsRegularFile);
    }

    [Fact]
    public async Task NamesThatAreNoTextAreKeptAndDeleted()
    {
        var root = await ImportAsync(TarBuilder.Root().File("etc/\xff\xfe", "x").Directory("etc/d\x80/").File("etc/d\x80/\x81", "y").Build());
        using var etc = DirectoryHandle.Open(root + "/etc");
        Assert.NotNull(etc.Stat([0xFF, 0xFE]));
        Assert.True(await _backend.DeleteImageAsync("hostile", _none));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Images));
    }

    [Fact]
    public async Task TooManyFilesAreRefused()
    {
        using var folder = new Folder(_state);
        using var root = DirectoryHandle.Open(folder.Path);
        using var writer = new NovaLxd.Virt.Storage.Archives.RootfsWriter(root, new(1 << 30, MaxEntries: 100));
        var builder = new TarBuilder();
        for (var i = 0; i < 200; i++)
        {
            builder.File($"f{i}", "");
        }

        using var reader = new NovaLxd.Virt.Storage.Archives.TarReader(new MemoryStream(builder.Build()));
        Assert.Contains("more than 100 files", Assert.Throws<ImageRejectedException>(() => writer.WriteAll(reader, _none)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HundredsOfRandomlyBrokenArchivesTouchNothingOutside()
    {
        var random = new Random(20240607);
        var seeds = new List<byte[]> { Everything().Build() };
        seeds.Add(TarBuilder.Gzip(seeds[0]));
        seeds.Add(TarBuilder.Zstd(seeds[0]));
        seeds.Add(await TarBuilder.SquashfsAsync(seeds[0], "-noI", "-noD", "-noF", "-noX"));
        var accepted = 0;
        for (var round = 0; round < 400; round++)
        {
            var content = Mutate((byte[])seeds[round % seeds.Count].Clone(), random, round % seeds.Count == 0);
            try
            {
                await ImportAsync(content);
                accepted++;
                Assert.True(await _backend.DeleteImageAsync("hostile", _none));
            }
            catch (ImageRejectedException)
            {
                // As it should; any other failure, or none within the limit, fails the test.
            }

            Assert.Empty(Directory.EnumerateFileSystemEntries(Images));
        }

        Assert.InRange(accepted, 1, 399);
    }

    [Fact]
    public async Task HundredsOfRandomlyComposedArchivesTouchNothingOutside()
    {
        var random = new Random(4711);
        string[] names = ["a", "b", "a/b", "a/b/c", "..", "../canary/file", "a/../../x", "/etc/passwd", "./a", "a//b", ".", "bin", "bin/sh", "a/link/x", "link", "link/file", "é", ""];
        string[] targets = ["..", "/", "../../../../canary", _state + "/canary", _state + "/canary/file", "a", "link", ".", "a/b", "/proc/self/root", "../canary/file"];
        const string types = "01234567xgLKSVZ5521";
        for (var round = 0; round < 400; round++)
        {
            var builder = TarBuilder.Root();
            for (var i = random.Next(1, 12); i > 0; i--)
            {
                var type = types[random.Next(types.Length)];
                var content = type is '0' or '7' or 'x' or 'g' or 'L' or 'K' or 'S' ? Encoding.UTF8.GetBytes(names[random.Next(names.Length)] + "\0") : [];
                builder.Member(names[random.Next(names.Length)], type, content, random.Next(4096), random.Next(3), random.Next(3), targets[random.Next(targets.Length)]);
            }

            try
            {
                await ImportAsync(builder.Build());
                Assert.True(await _backend.DeleteImageAsync("hostile", _none));
            }
            catch (ImageRejectedException)
            {
                // As it should.
            }

            Assert.Equal(_canary, Describe(Path.Combine(_state, "canary")));
        }
    }

    private TarBuilder Attack(string name)
    {
        var root = TarBuilder.Root();
        var canary = Path.Combine(_state, "canary");
        return name switch
        {
            "parent" => root.File("../../../canary/file", "gone"),
            "parent-inside" => root.File("etc/../etc/x", "x"),
            "through-link" => root.SymbolicLink("etc/up", "../../../../canary").File("etc/up/file", "gone"),
            "through-absolute-link" => root.SymbolicLink("etc/abs", canary).Directory("etc/abs/folder/"),
            "file-as-folder" => root.File("bin/sh/x", "x"),
            "hard-link-out" => root.HardLink("etc/h", "../../../canary/file"),
            "hard-link-absolute" => root.HardLink("etc/h", canary + "/file"),
            "hard-link-through-link" => root.SymbolicLink("etc/abs", canary).HardLink("etc/h", "etc/abs/file"),
            "hard-link-to-folder" => root.HardLink("etc/h", "bin"),
            "whiteout" => root.File("etc/.wh.passwd", ""),
            "device-whiteout" => root.Member("etc/gone", TarBuilder.CharacterDeviceType, change: header => TarBuilder.Octal(header, 329, 8, 0)).Member(
                "etc/gone2", TarBuilder.CharacterDeviceType, change: header => header.AsSpan(329, 16).Fill((byte)'0')),
            "overlay-attribute" => root.Pax("SCHILY.xattr.trusted.overlay.redirect", "/").Directory("etc/r/"),
            "user-overlay-attribute" => root.Pax("SCHILY.xattr.user.overlay.opaque", "y").Directory("etc/r/"),
            "large-uid" => root.File("etc/u", "", uid: 65536),
            "large-gid" => root.Pax("gid", "4000000000").File("etc/g", ""),
            "long-name" => root.Pax("path", "etc/" + new string('n', 256)).File("x", ""),
            "long-path" => root.Pax("path", string.Concat(Enumerable.Repeat("folder/", 600)) + "f").File("x", ""),
            "huge-file" => root.Member("etc/h", TarBuilder.FileType, size: 8L << 30),
            "huge-sparse-file" => root.Pax(("GNU.sparse.size", "9000000000000000000"u8.ToArray()), ("GNU.sparse.map", "0,1"u8.ToArray())).File("etc/s", "x"),
            "zero-in-name" => root.Pax(("path", [(byte)'a', 0, (byte)'b'])).File("x", ""),
            "folder-becomes-file" => root.File("etc", ""),
            "folder-becomes-link" => root.SymbolicLink("etc", canary).File("etc/file", "gone"),
            "unknown-type" => root.Member("etc/m", 'M'),
            "bad-capability" => root.Pax("SCHILY.xattr.security.capability", "nonsense").File("bin/c", ""),
            "huge-attribute" => root.Pax(("SCHILY.xattr.user.huge", new byte[60_000])).File("bin/c", ""),
            "many-attributes" => root.Pax([.. Enumerable.Range(0, 40).Select(i => ($"SCHILY.xattr.user.a{i}", new byte[500]))]).File("bin/c", ""),
            "long-attribute-name" => root.Pax("SCHILY.xattr.user." + new string('n', 300), "v").File("bin/c", ""),
            _ => root.Pax("linkpath", new string('l', 5000)).SymbolicLink("etc/l", "x"),
        };
    }

    private static TarBuilder Everything() => TarBuilder.Root().File("etc/a", new string('a', 3000)).SymbolicLink("etc/l", "../bin").HardLink("etc/h", "etc/a")
        .Member("dev", TarBuilder.DirectoryType).Member("dev/null", TarBuilder.CharacterDeviceType).Member("run", TarBuilder.DirectoryType)
        .Member("run/pipe", TarBuilder.FifoType).Pax("path", "etc/by-pax").File("x", "y").Pax("SCHILY.xattr.user.k", "v").File("etc/x", "z");

    private static byte[] Mutate(byte[] content, Random random, bool fixChecksums)
    {
        for (var i = random.Next(1, 6); i > 0; i--)
        {
            var at = random.Next(content.Length);
            content[at] = random.Next(3) switch { 0 => (byte)random.Next(256), 1 => (byte)"./\08x"[random.Next(5)], _ => (byte)(content[at] ^ (1 << random.Next(8))) };
        }

        if (fixChecksums)
        {
            for (var offset = 0; offset + 512 <= content.Length - 1024; offset += 512)
            {
                if (content.AsSpan(offset + 257, 5).SequenceEqual("ustar"u8))
                {
                    var header = content[offset..(offset + 512)];
                    TarBuilder.Checksum(header);
                    header.CopyTo(content, offset);
                }
            }
        }

        return random.Next(10) == 0 ? content[..random.Next(content.Length)] : content;
    }

    private static FileStatus Status(string root, string path)
    {
        using var parent = DirectoryHandle.Open(Path.GetDirectoryName(Path.Combine(root, path))!);
        return parent.Stat(Encoding.UTF8.GetBytes(Path.GetFileName(path)))!.Value;
    }

    /// <summary>Every name with type, owner, mode, links, times and content.</summary>
    private static string Describe(string folder) => string.Join('\n', Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).Append(folder).Order().Select(path =>
        $"{path} {Status(Path.GetDirectoryName(path)!, Path.GetFileName(path))} {(File.Exists(path) ? File.ReadAllText(path) : "")}"));

    /// <returns>Root of the unpacked image.</returns>
    private async Task<string> ImportAsync(byte[] content)
    {
        var import = new ImageImport { Key = "hostile", MaxUnpackedBytes = 1 << 30, OpenAsync = _ => Task.FromResult<Stream>(new MemoryStream(content)) };
        await _backend.ImportImageAsync(import, _none).WaitAsync(_limit);
        return Path.Combine(Assert.Single(Directory.EnumerateDirectories(Images)), "root");
    }

    private sealed class Folder(string parent) : IDisposable
    {
        public string Path { get; } = Directory.CreateDirectory(System.IO.Path.Combine(parent, "folder")).FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
