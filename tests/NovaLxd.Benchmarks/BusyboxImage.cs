using System.Formats.Tar;
using System.Text;

namespace NovaLxd.Benchmarks;

/// <summary>The least system with an init: static busybox, whose init keeps one sleeping process.</summary>
internal static class BusyboxImage
{
    private const string Busybox = "/bin/busybox";

    /// <returns>A tar archive.</returns>
    public static byte[] Build()
    {
        if (!File.Exists(Busybox))
        {
            throw new FileNotFoundException($"{Busybox} is missing: apt-get install busybox-static");
        }

        using var output = new MemoryStream();
        using (var tar = new TarWriter(output, leaveOpen: true))
        {
            foreach (var folder in new[] { "bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run" })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, folder + "/") { Mode = (UnixFileMode)0x1ED });
            }

            Add("bin/busybox", File.ReadAllBytes(Busybox), (UnixFileMode)0x1ED);
            Add("etc/inittab", Encoding.ASCII.GetBytes("::respawn:/bin/sleep 1000000\n"), (UnixFileMode)0x1A4);
            foreach (var (name, target) in new[] { ("bin/sh", "busybox"), ("bin/sleep", "busybox"), ("sbin/init", "../bin/busybox") })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, name) { LinkName = target });
            }

            void Add(string name, byte[] content, UnixFileMode mode) =>
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content), Mode = mode });
        }

        return output.ToArray();
    }
}
