using System.Globalization;
using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>
/// Memory that an idle process holds resident and does not need, given back. All of it is cheap to get again: pages of program files stay in the
/// kernel's cache and cost a minor fault.
/// </summary>
public static partial class ProgramPages
{
    private const int MADV_DONTNEED = 4;

    /// <summary>
    /// Unmaps the pages of program files: what starting touched is most of the code of a process, and nobody else's while it alone maps it. Only pages that are
    /// as in the file: a mapping into which something was ever written (relocations) has anonymous pages and is left alone, as is every other kind.
    /// </summary>
    /// <param name="isProgram">
    /// Whether a path is that of a program, assembly or library which stays loaded until the process ends. The mapping is read first and given back then: one that
    /// comes and goes could be another's by then.
    /// </param>
    public static void Release(Func<string, bool> isProgram)
    {
        ArgumentNullException.ThrowIfNull(isProgram);
        foreach (var (address, length) in Unwritten(File.ReadLines("/proc/self/smaps"), isProgram).ToArray())
        {
            // It is advice: what is not taken is not missed.
            _ = madvise(address, length, MADV_DONTNEED);
        }
    }

    /// <summary>Returns what the heap of C has free, below the top of its arenas too, to the kernel.</summary>
    public static void TrimHeap() => _ = malloc_trim(0);

    /// <summary>Read-only mappings of programs without a page that differs from the file (proc_pid_smaps(5)).</summary>
    /// <param name="smaps">For each mapping a line "from-to perms offset device inode path" and lines "Name: value".</param>
    internal static IEnumerable<(nint Address, nint Length)> Unwritten(IEnumerable<string> smaps, Func<string, bool> isProgram)
    {
        (nint Address, nint Length)? mapping = null;
        foreach (var line in smaps)
        {
            if (char.IsAsciiHexDigitLower(line[0]))
            {
                mapping = Parse(line, isProgram);
            }
            else if (mapping is { } found && line.StartsWith("Anonymous:", StringComparison.Ordinal))
            {
                mapping = null;
                if (line.EndsWith(" 0 kB", StringComparison.Ordinal))
                {
                    yield return found;
                }
            }
        }
    }

    private static (nint Address, nint Length)? Parse(string line, Func<string, bool> isProgram)
    {
        var fields = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
        if (fields is not [var range, "r-xp" or "r--p" or "r--s", _, _, _, var path] || !isProgram(path.TrimStart()))
        {
            return null;
        }

        var bounds = range.Split('-');
        var begin = nint.Parse(bounds[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        return (begin, nint.Parse(bounds[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) - begin);
    }

    [LibraryImport("libc")]
    private static partial int madvise(nint address, nint length, int advice);

    [LibraryImport("libc")]
    private static partial int malloc_trim(nuint pad);
}
