using System.Globalization;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>The signals by which an init is asked to shut down and to reboot; they differ from one init to the other.</summary>
internal sealed record InitKind(string Name, int Halt, int Reboot)
{
    /// <summary>systemd(1), SIGNALS: SIGRTMIN+4 is poweroff.target, SIGRTMIN+5 reboot.target.</summary>
    public static readonly InitKind Systemd = new("systemd", Signal.SIGRTMIN + 4, Signal.SIGRTMIN + 5);

    /// <summary>busybox init: SIGUSR2 powers off, SIGTERM reboots.</summary>
    public static readonly InitKind Busybox = new("busybox", Signal.SIGUSR2, Signal.SIGTERM);

    /// <summary>sysvinit and upstart: power failure and ctrl-alt-del, which their inittab or jobs answer.</summary>
    public static readonly InitKind Sysv = new("init", Signal.SIGPWR, Signal.SIGINT);

    /// <summary>Recognised by the program that runs as init, which is what the kernel says it is and not what the image calls it.</summary>
    public static InitKind Detect(int pid)
    {
        var program = Path.GetFileName(ReadLink(pid));
        return program switch
        {
            "systemd" => Systemd,
            "busybox" or "busybox.static" => Busybox,
            "init" or "upstart" or "openrc-init" => Sysv,
            _ => FirstCaught(pid, program),
        };
    }

    /// <summary>
    /// Whether init takes a signal yet. What it neither handles nor blocks (to read it from a signalfd) the kernel does not deliver to it (pid_namespaces(7)),
    /// so right after its exec it has to be asked later.
    /// </summary>
    public static bool Takes(int pid, int signal) =>
        ((ReadSignalMask(pid, "SigCgt:") | ReadSignalMask(pid, "SigBlk:")) & (1UL << (signal - 1))) != 0 || WaitsForSignals(pid);

    /// <summary>In rt_sigtimedwait(2), as busybox init is most of the time, what it waits for is not shown as blocked.</summary>
    private static bool WaitsForSignals(int pid)
    {
        try
        {
            var number = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/syscall").Split(' ')[0];
            return number == SyscallNumbers.Of(Syscall.rt_sigtimedwait).ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Some other program: the first it handles of those that mean "end".</summary>
    private static InitKind FirstCaught(int pid, string program)
    {
        var caught = ReadSignalMask(pid, "SigCgt:") | ReadSignalMask(pid, "SigBlk:");
        int[] candidates = [Signal.SIGPWR, Signal.SIGTERM, Signal.SIGINT, Signal.SIGHUP];
        var halt = candidates.FirstOrDefault(signal => (caught & (1UL << (signal - 1))) != 0, Signal.SIGTERM);
        return new InitKind(program, halt, (caught & (1UL << (Signal.SIGINT - 1))) != 0 ? Signal.SIGINT : halt);
    }

    private static ulong ReadSignalMask(int pid, string field)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/status").FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal));
            return line is null ? 0 : ulong.Parse(line[field.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0; // It has just ended.
        }
    }

    private static string ReadLink(int pid)
    {
        try
        {
            return File.ResolveLinkTarget($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/exe", returnFinalTarget: false)?.FullName ?? "";
        }
        catch (IOException)
        {
            return ""; // It has just ended.
        }
    }
}
