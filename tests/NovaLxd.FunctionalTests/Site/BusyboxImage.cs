using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>A small system with busybox as its init, as a tar archive.</summary>
internal static class BusyboxImage
{
    /// <summary>What the guest's init prints when it is up.</summary>
    public const string Greeting = "the guest is up";

    private const string Busybox = "/bin/busybox";
    private static readonly string[] Applets = ["sh", "sleep", "cat", "echo", "ls", "ps", "id", "true", "mount", "kill", "hostname", "grep",
        "env", "dd"];

    /// <param name="init">What /sbin/init is: a shell script; null: busybox; empty: there is none.</param>
    /// <param name="more">Entries of the test's own.</param>
    /// <param name="packed">Whether it is compressed with gzip.</param>
    public static byte[] Make(string? init = null, Action<TarWriter>? more = null, bool packed = false)
    {
        Assert.True(File.Exists(Busybox), $"{Busybox} is missing: apt-get install busybox-static");
        var buffer = new MemoryStream();
        using (Stream archive = packed ? new GZipStream(buffer, CompressionLevel.Fastest, leaveOpen: true) : new BufferedStream(buffer))
        using (var tar = new TarWriter(archive, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (var folder in new[] { "bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run" })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, folder + "/") { Mode = (UnixFileMode)0b111_101_101 });
            }

            AddFile(tar, "bin/busybox", File.ReadAllBytes(Busybox), executable: true);
            foreach (var applet in Applets)
            {
                AddLink(tar, "bin/" + applet, "busybox");
            }

            foreach (var applet in new[] { "reboot", "poweroff", "halt", "ip" })
            {
                AddLink(tar, "sbin/" + applet, "../bin/busybox");
            }

            if (init is null)
            {
                AddLink(tar, "sbin/init", "../bin/busybox");
            }
            else if (init.Length > 0)
            {
                AddFile(tar, "sbin/init", Encoding.UTF8.GetBytes(init), executable: true);
            }

            AddFile(tar, "etc/inittab", Encoding.UTF8.GetBytes($"::sysinit:/bin/echo {Greeting}\n::respawn:/bin/sleep 1000000\n"), executable: false);
            AddFile(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"u8.ToArray(), executable: false);
            more?.Invoke(tar);
        }

        return buffer.ToArray();
    }

    public static void AddFile(TarWriter tar, string name, byte[] content, bool executable) =>
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name)
        {
            DataStream = new MemoryStream(content),
            Mode = executable ? (UnixFileMode)0b111_101_101 : (UnixFileMode)0b110_100_100,
        });

    public static void AddLink(TarWriter tar, string name, string target) =>
        tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, name) { LinkName = target });
}
