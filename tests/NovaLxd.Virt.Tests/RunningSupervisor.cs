using System.Globalization;

namespace NovaLxd.Virt.Tests;

/// <summary>A supervisor by what stands in /proc: who starts it forgets its process id.</summary>
internal static class RunningSupervisor
{
    private sealed record Candidate(int Pid, int Parent);

    /// <summary>Process id of the supervisor of a runtime directory; null: none runs.</summary>
    public static int? Find(string runtimeDirectory)
    {
        var all = Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => char.IsAsciiDigit(name![0]))
            .Select(name => Read(int.Parse(name!, CultureInfo.InvariantCulture), runtimeDirectory)).OfType<Candidate>().ToList();
        var supervisors = all.Where(p => all.TrueForAll(other => other.Pid != p.Parent)).Select(p => p.Pid).ToList();
        Assert.True(supervisors.Count < 2, $"There are several supervisors of {runtimeDirectory}: {string.Join(", ", supervisors)}.");
        return supervisors.Count == 0 ? null : supervisors[0];
    }

    /// <summary>
    /// Null: another process, or one that went away while we looked. A process that the supervisor has cloned for a container has its command line until it runs
    /// a program: it is in a process namespace of its own (NSpid of proc_pid_status(5) has two numbers), or lives no longer than its parent waits for it.
    /// </summary>
    private static Candidate? Read(int pid, string runtimeDirectory)
    {
        try
        {
            var command = File.ReadAllText($"/proc/{pid}/cmdline");
            if (!command.Contains($"--runtime-dir\0{runtimeDirectory}\0", StringComparison.Ordinal) || !RunsSupervisor(command.Split('\0')))
            {
                return null;
            }

            var status = File.ReadLines($"/proc/{pid}/status").Select(line => line.Split('\t')).ToDictionary(line => line[0], line => line[1..]);
            return status["NSpid:"].Length > 1 ? null : new Candidate(pid, int.Parse(status["PPid:"][0], CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The program itself, or dotnet with it as its first argument; not the shell and setsid that start it, which have it further behind.</summary>
    private static bool RunsSupervisor(string[] command) => command.Take(2).Any(word => Path.GetFileNameWithoutExtension(word) == "novalxd-supervisor");
}
