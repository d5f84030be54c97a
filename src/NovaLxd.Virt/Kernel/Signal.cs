using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>signal.h.</summary>
internal static partial class Signal
{
    public const int SIGHUP = 1;
    public const int SIGINT = 2;
    public const int SIGKILL = 9;
    public const int SIGUSR1 = 10;
    public const int SIGUSR2 = 12;
    public const int SIGTERM = 15;
    public const int SIGCHLD = 17;
    public const int SIGSTOP = 19;
    public const int SIGPWR = 30;

    /// <summary>The first real-time signal as glibc counts (two are its own); systemd's numbers are from here.</summary>
    public const int SIGRTMIN = 34;

    /// <summary>SIG_DFL for a signal that whoever started us may have ignored: with SIGCHLD ignored, children are reaped by the kernel and their status is lost.</summary>
    public static void SetDefault(int number)
    {
        if (signal(number, 0) == -1)
        {
            throw KernelException.Last("signal", $"{number}");
        }
    }

    /// <summary>To all of a process group; nothing happens when it is gone.</summary>
    public static void KillGroup(int group, int number) => kill(-group, number);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int number);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint signal(int number, nint handler);
}
