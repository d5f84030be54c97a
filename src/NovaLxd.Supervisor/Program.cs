using System.Runtime.InteropServices;
using NovaLxd.Virt;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// novalxd-supervisor --runtime-dir DIR --state-dir DIR: parent of every container's init on this host. SIGTERM ends it and leaves the containers running for its
/// successor; SIGUSR2 executes its program file anew.
/// </summary>
internal static class Program
{
    /// <summary>
    /// How long the lock of a supervisor that was killed may stay: until its last thread has ended, which may be in the midst of a mount, and so has the child
    /// that it was just making, which has a copy of the lock's descriptor.
    /// </summary>
    private static readonly TimeSpan LockLimit = TimeSpan.FromSeconds(5);

    private const int LockPauseMilliseconds = 50;

    private static int Main(string[] arguments)
    {
        var log = new Log(TimeProvider.System);
        if (arguments is not ["--runtime-dir", var runtime, "--state-dir", var state])
        {
            log.Error("usage: novalxd-supervisor --runtime-dir DIR --state-dir DIR");
            return 2;
        }

        var runtimeDirectory = Path.GetFullPath(runtime);
        try
        {
            using var instance = TakeOver(runtimeDirectory);
            if (instance is null)
            {
                log.Error($"another supervisor runs for {runtimeDirectory}");
                return 3;
            }

            Run(runtimeDirectory, state, log);
            return 0;
        }
        catch (Exception e) when (e is KernelException or VirtException or IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            log.Error(e.Message);
            return 1;
        }
    }

    private static void Run(string runtimeDirectory, string stateDirectory, Log log)
    {
        SecureProcess();
        using var loop = new EventLoop(TimeProvider.System, e => log.Error(e.ToString()), new IdleMemory().Release);
        using var stub = new SyscallStub();
        var staging = Directory.CreateDirectory(Path.Combine(runtimeDirectory, "rootfs")).FullName;
        var context = new SupervisorContext
        {
            Loop = loop,
            Log = log,
            Time = TimeProvider.System,
            Stub = stub,
            Cgroups = Cgroups.Detect(Directory.CreateDirectory(stateDirectory).FullName),
            Host = new HostFacts(),
            Records = new GuestRecords(Path.Combine(runtimeDirectory, "containers")),
            StagingDirectory = staging,
            Publish = _ => false,
            KeepTerminal = (_, _) => { },
            ForgetTerminal = _ => { },
        };
        var manager = new ServiceManager(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"));
        var program = Environment.ProcessPath!;
        var command = File.ReadAllText("/proc/self/cmdline").TrimEnd('\0').Split('\0');
        using var supervisor = new Supervisor(context, manager, runtimeDirectory, handover => Replace(program, command, handover, runtimeDirectory, log));
        supervisor.Start(
            Handover.Take(runtimeDirectory),
            ServiceManager.TakeStored(
                Environment.GetEnvironmentVariable("LISTEN_PID"), Environment.GetEnvironmentVariable("LISTEN_FDS"), Environment.GetEnvironmentVariable("LISTEN_FDNAMES")));

        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => OnSignal(signal, loop, loop.Stop));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => OnSignal(signal, loop, loop.Stop));
        using var upgrade = PosixSignalRegistration.Create((PosixSignal)Signal.SIGUSR2, signal => OnSignal(signal, loop, supervisor.RequestUpgrade));
        loop.Run();
        log.Info("ends; the containers run on");
    }

    private static void OnSignal(PosixSignalContext signal, EventLoop loop, Action action)
    {
        signal.Cancel = true;
        loop.Post(action);
    }

    /// <summary>
    /// Not dumpable: a child in a container's namespaces shares this memory until its exec, and nobody inside may look into it. Subreaper: what the containers'
    /// own helpers leave behind comes here. SIGCHLD as by default, or the kernel would reap for us and the exit statuses were lost.
    /// </summary>
    private static void SecureProcess()
    {
        SysPrctl.Set(SysPrctl.PR_SET_DUMPABLE, 0, "PR_SET_DUMPABLE");
        SysPrctl.Set(SysPrctl.PR_SET_CHILD_SUBREAPER, 1, "PR_SET_CHILD_SUBREAPER");
        Signal.SetDefault(Signal.SIGCHLD);
    }

    /// <summary>One supervisor per runtime directory: whoever holds the lock. Null when another does and goes on to.</summary>
    private static FileStream? TakeOver(string runtimeDirectory)
    {
        Directory.CreateDirectory(runtimeDirectory);
        var begun = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(runtimeDirectory, "supervisor.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(begun) > LockLimit)
            {
                return null;
            }
            catch (IOException)
            {
                CgroupFile.Pause(LockPauseMilliseconds);
            }
        }
    }

    private static void Replace(string program, string[] command, Handover handover, string runtimeDirectory, Log log)
    {
        handover.Save(runtimeDirectory);
        var numbers = handover.Numbers.ToArray();
        Array.ForEach(numbers, number => Fcntl.SetCloseOnExec(number, false));
        log.Info($"executes {program} anew");
        try
        {
            Unistd.execv(program, command);
        }
        catch (KernelException e)
        {
            log.Error($"the upgrade failed, all goes on as before: {e.Message}");
            Array.ForEach(numbers, number => Fcntl.SetCloseOnExec(number, true));
            Handover.Take(runtimeDirectory);
        }
    }
}
