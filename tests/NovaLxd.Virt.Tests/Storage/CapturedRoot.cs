using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Storage;

/// <summary>
/// A root that a guest has changed in every way, by the kernel's own overlayfs, and what a guest sees of it: an image made of it has to show the same.
/// </summary>
internal static class CapturedRoot
{
    private static readonly string _long = string.Concat(Enumerable.Repeat("long", 60));
    private static readonly byte[] _noUtf8 = [(byte)'x', 0xFF, 0xFE];

    /// <summary>cap_net_raw as root of a container sets it: in revision 3, with the host's id of that root.</summary>
    private static readonly byte[] _capability = Convert.FromHexString("0100000300200000000000000000000000000000");

    /// <summary>Its owner, user 1000 by name, its group, the mask, others.</summary>
    private static readonly byte[] _acl = Convert.FromHexString("02000000" + "01000600FFFFFFFF" + "02000400E8030000" + "04000400FFFFFFFF" + "10000400FFFFFFFF" + "20000000FFFFFFFF");

    public static TarBuilder Image() => TarBuilder.Root().Directory("proc/").Directory("sys/").Directory("dev/").File("dev/image", "x")
        .File("etc/issue", "welcome").File("etc/gone", "x").File("etc/mode", "m").File("etc/moved", "moved", uid: 7, gid: 8).File("etc/kept", "kept", uid: 9)
        .Directory("old/").File("old/a", "a").File("old/b", "b").Directory("gone/").Directory("gone/deep/").File("gone/deep/x", "x")
        .Directory("pair/").File("pair/one", "linked").HardLink("pair/two", "pair/one").SymbolicLink("pair/link", "../etc/issue").File("was-file", "f");

    /// <summary>Changes it as a guest does, and returns what the guest sees.</summary>
    /// <param name="mount">The layers.</param>
    /// <param name="merged">A folder that does not exist.</param>
    /// <param name="map">The guest's ids.</param>
    public static async Task<IReadOnlyList<string>> ChangeAsync(RootfsMount mount, string merged, IdMap map)
    {
        Directory.CreateDirectory(merged);
        await CommandRunner.RunAsync(
            ["mount", "-t", "overlay", "overlay", "-o", $"lowerdir={mount.LowerDirectories[0]},upperdir={mount.UpperDirectory},workdir={mount.WorkDirectory}", merged], CancellationToken.None);
        IReadOnlyList<string> seen;
        try
        {
            await ChangeAsync(merged);
            seen = [.. Describe(merged).Select(line => line.StartsWith("/ ", StringComparison.Ordinal) ? line.Replace($"{map.HostBase}:{map.HostBase}", "0:0", StringComparison.Ordinal) : line)];
        }
        finally
        {
            await CommandRunner.RunAsync(["umount", merged], CancellationToken.None);
            Directory.Delete(merged);
        }

        using var upper = DirectoryHandle.Open(mount.UpperDirectory);
        Shift(upper, map.HostBase);
        SetAttributes(mount.UpperDirectory, map.HostBase);
        return [.. seen.Order(StringComparer.Ordinal)];
    }

    /// <summary>What is in a tree, a line for each name: all that an image keeps but capabilities and access control lists.</summary>
    public static IReadOnlyList<string> Describe(string root)
    {
        var lines = new List<string>();
        var links = new Dictionary<ulong, string>();
        using var top = DirectoryHandle.Open(root);
        Describe(top, "", lines, links);
        return [.. lines.Order(StringComparer.Ordinal)];
    }

    /// <summary>What <see cref="Describe(string)"/> leaves out, on an image that was made of the root.</summary>
    public static void AssertAttributes(string root)
    {
        using var etc = DirectoryHandle.Open(root + "/new");
        using var program = etc.OpenFile("program"u8);
        Assert.Equal("0100000200200000000000000000000000000000", Convert.ToHexString(Xattr.Get(program, Xattr.SecurityCapability)!));
        using var shared = etc.OpenFile("shared"u8);
        Assert.Equal(Convert.ToHexString(_acl), Convert.ToHexString(Xattr.Get(shared, Xattr.AccessAcl)!));
    }

    private static async Task ChangeAsync(string merged)
    {
        await File.AppendAllTextAsync(merged + "/etc/issue", " again");
        File.Delete(merged + "/etc/gone");
        File.SetUnixFileMode(merged + "/etc/mode", (UnixFileMode)0b100_111_001_000);
        File.Move(merged + "/etc/moved", merged + "/moved");
        Directory.Delete(merged + "/old", recursive: true);
        Directory.CreateDirectory(merged + "/old");
        await File.WriteAllTextAsync(merged + "/old/b", "another");
        Directory.Delete(merged + "/gone", recursive: true);
        await File.AppendAllTextAsync(merged + "/pair/two", ", once");
        File.Delete(merged + "/was-file");
        Directory.CreateDirectory(merged + "/was-file/now-a-folder");
        await File.WriteAllTextAsync(merged + "/dev/of-the-guest", "x");
        await File.WriteAllTextAsync(merged + "/proc/of-the-guest", "x");

        Directory.CreateDirectory(merged + "/new/" + _long + "/" + _long);
        await File.WriteAllTextAsync(merged + "/new/program", "#!");
        await File.WriteAllTextAsync(merged + "/new/shared", "s");
        File.SetUnixFileMode(merged + "/new/shared", (UnixFileMode)0b110_100_000); // As its list will say.
        await File.WriteAllTextAsync(merged + "/new/" + _long + "/" + _long + "/file", "deep");
        File.CreateSymbolicLink(merged + "/new/symlink", "../etc/" + _long);
        await File.WriteAllTextAsync(merged + "/new/empty", "");
        using (var sparse = File.Create(merged + "/new/sparse"))
        {
            sparse.Position = 5 << 20;
            sparse.Write("in the midst"u8);
            sparse.SetLength(9 << 20);
        }

        using (var folder = DirectoryHandle.Open(merged + "/new"))
        {
            folder.MakeFifo("fifo"u8, 0x1A4);
            folder.CreateFile(_noUtf8, 0x1A4).Dispose();
            folder.CreateFile("linked"u8, 0x1ED).Dispose();
            using (var root = DirectoryHandle.Open(merged))
            {
                root.Link(folder, "linked"u8, "also linked"u8);
            }

            folder.Link(folder, "linked"u8, "linked again"u8);
            folder.ChangeOwner("linked"u8, 1000, 100);
            folder.ChangeOwner("symlink"u8, 5, 6);
            folder.SetModified("symlink"u8, 1_000_000_000, 123_456_789);
            using var attributed = folder.OpenFile("linked"u8, writable: true);
            Assert.Equal(0, Xattr.Set(attributed, "user.note", [1, 2, 0, 3]));
            Assert.Equal(0, Xattr.Set(folder, "user.folder", "yes"u8));
        }

        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var link = Directory.CreateTempSubdirectory("nls-");
        Directory.CreateSymbolicLink(link.FullName + "/m", merged); // A socket's path may have 107 bytes.
        socket.Bind(new UnixDomainSocketEndPoint(link.FullName + "/m/new/socket"));
        link.Delete(recursive: true);
    }

    private static void Describe(DirectoryHandle directory, string path, List<string> lines, Dictionary<ulong, string> links)
    {
        lines.Add($"{path}/ {Owner(FileStatus.Of(directory))} {Attributes(directory)}");
        using var reading = directory.OpenChild("."u8);
        foreach (var (name, _) in reading.ReadEntries().OrderBy(entry => Convert.ToHexString(entry.Name), StringComparer.Ordinal))
        {
            var status = directory.Stat(name)!.Value;
            var text = $"{path}/{Convert.ToHexString(name)}={Encoding.ASCII.GetString(name)}";
            if (status.IsDirectory)
            {
                using var child = directory.OpenChild(name);
                if (path.Length == 0 && Encoding.ASCII.GetString(name) is "proc" or "sys" or "dev")
                {
                    lines.Add($"{text}/ {Owner(FileStatus.Of(child))}");
                }
                else
                {
                    Describe(child, text, lines, links);
                }
            }
            else if (status.Type != FileStatus.Socket)
            {
                lines.Add($"{text} {Owner(status)} {(links.TryAdd(status.Inode, text) ? Content(directory, name, status) : "= " + links[status.Inode])}");
            }
        }
    }

    private static string Owner(FileStatus status) =>
        $"{status.Type:x} {status.UserId}:{status.GroupId} {Convert.ToString(status.Permissions, 8)} {status.ModifiedSeconds}.{status.ModifiedNanoseconds}";

    private static string Content(DirectoryHandle directory, byte[] name, FileStatus status)
    {
        if (status.IsSymbolicLink)
        {
            return "-> " + Encoding.UTF8.GetString(directory.ReadSymbolicLink(name));
        }

        if (!status.IsRegularFile)
        {
            return "";
        }

        using var file = directory.OpenFile(name);
        var content = new byte[status.Size];
        Assert.Equal(content.Length, RandomAccess.Read(file, content, 0));
        return $"{status.Size} {Convert.ToHexString(SHA256.HashData(content))} {Attributes(file)}";
    }

    private static string Attributes(System.Runtime.InteropServices.SafeHandle file) => string.Join(
        ' ', Xattr.List(file).Where(name => name.StartsWith("user.", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
            .Select(name => $"{name}={Convert.ToHexString(Xattr.Get(file, name)!)}"));

    /// <summary>Gives the layer to the guest's ids, as everything that a guest writes is.</summary>
    private static void Shift(DirectoryHandle directory, uint first)
    {
        using var reading = directory.OpenChild("."u8);
        foreach (var (name, _) in reading.ReadEntries())
        {
            var status = directory.Stat(name)!.Value;
            if (status is { Type: FileStatus.CharacterDevice, Node: 0 })
            {
                continue;
            }

            if (status.Links == 1 || status.IsDirectory || status.UserId < first)
            {
                directory.ChangeOwner(name, first + status.UserId, first + status.GroupId);
                if (!status.IsSymbolicLink)
                {
                    directory.ChangeMode(name, status.Permissions); // Which the new owner has lost.
                }
            }

            if (status.IsDirectory)
            {
                using var child = directory.OpenChild(name);
                Shift(child, first);
            }
        }
    }

    private static void SetAttributes(string upper, uint first)
    {
        using var folder = DirectoryHandle.Open(upper + "/new");
        using var program = folder.OpenFile("program"u8, writable: true);
        Assert.Equal(0, Xattr.Set(program, Xattr.SecurityCapability, [.. _capability, .. BitConverter.GetBytes(first)]));
        using var shared = folder.OpenFile("shared"u8, writable: true);
        byte[] acl = [.. _acl];
        BitConverter.TryWriteBytes(acl.AsSpan(16), first + 1000);
        Assert.Equal(0, Xattr.Set(shared, Xattr.AccessAcl, acl));
    }
}
