using System.Globalization;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Tests.Kernel;

public sealed class ProgramPagesTests
{
    private const string Smaps =
        """
        55d0a0000000-55d0a0002000 r-xp 00000000 fe:00 1 /usr/bin/program
        Rss:                   8 kB
        Anonymous:             0 kB
        AnonHugePages:         0 kB
        VmFlags: rd ex
        7f0000000000-7f0000001000 r--p 00001000 fe:00 2 /usr/lib/a library.so.6
        Anonymous:             0 kB
        7f0000001000-7f0000002000 r--p 00002000 fe:00 2 /usr/lib/a library.so.6
        Anonymous:             4 kB
        7f0000010000-7f0000013000 r--s 00000000 fe:00 2 /usr/lib/a library.so.6
        Anonymous:             0 kB
        7f0000002000-7f0000003000 rw-p 00003000 fe:00 2 /usr/lib/a library.so.6
        Anonymous:             0 kB
        7f0000003000-7f0000004000 r-xs 00000000 00:01 3 /memfd:doublemapper (deleted)
        Anonymous:             0 kB
        7f0000004000-7f0000005000 r--p 00000000 00:00 0
        Anonymous:             0 kB
        7f0000005000-7f0000006000 r--p 00000000 fe:00 4 /var/lib/data
        Anonymous:             0 kB
        """;

    [Fact]
    public void OnlyUnwrittenPagesOfProgramsAreGivenBack()
    {
        var found = ProgramPages.Unwritten(Smaps.Split('\n'), path => path is "/usr/bin/program" or "/usr/lib/a library.so.6" or "/memfd:doublemapper (deleted)" or "");

        Assert.Equal(
            new (long, long)[] { (0x55d0a0000000, 0x2000), (0x7f0000000000, 0x1000), (0x7f0000010000, 0x3000) }, found.Select(f => ((long)f.Address, (long)f.Length)));
    }

    [Fact]
    public void TheProcessHoldsLessAndGoesOn()
    {
        var assembly = typeof(object).Assembly.Location;
        var before = Resident(assembly);

        ProgramPages.Release(path => path == assembly);
        ProgramPages.TrimHeap();

        // Some are in use again by now; those of starting are not.
        Assert.InRange(Resident(assembly), 1, before - 1);
        Assert.Equal("4,294,967,296", (1L << 32).ToString("N0", CultureInfo.InvariantCulture));
    }

    /// <summary>KiB of a file that this process holds.</summary>
    private static long Resident(string file)
    {
        var (sum, counts) = (0L, false);
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            if (char.IsAsciiHexDigitLower(line[0]))
            {
                counts = line.EndsWith(file, StringComparison.Ordinal);
            }
            else if (counts && line.StartsWith("Rss:", StringComparison.Ordinal))
            {
                sum += long.Parse(line[4..^2], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
            }
        }

        return sum;
    }
}
