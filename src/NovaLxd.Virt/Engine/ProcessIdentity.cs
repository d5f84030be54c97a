using System.Globalization;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>Which process a number means: process ids are used again, start times of one boot with the same id are not.</summary>
/// <param name="StartTime">Clock ticks after boot, field 22 of proc_pid_stat(5).</param>
internal sealed record ProcessIdentity(int Pid, long StartTime)
{
    /// <summary>Null when there is no such process.</summary>
    public static ProcessIdentity? Of(int pid)
    {
        string stat;
        try
        {
            stat = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
        }
        catch (IOException)
        {
            return null; // ENOENT, or ESRCH when it ended between open and read.
        }

        // "pid (comm) state ppid ...": the name may hold blanks and brackets; state is field 3.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return new ProcessIdentity(pid, long.Parse(fields[22 - 3], CultureInfo.InvariantCulture));
    }

    /// <summary>A pidfd of this very process; null when it has ended and been reaped.</summary>
    public FileDescriptor? Open()
    {
        var pidfd = SysPidfd.TryOpen(Pid);
        if (pidfd is not null && Of(Pid) != this)
        {
            pidfd.Dispose();
            return null;
        }

        return pidfd;
    }
}
