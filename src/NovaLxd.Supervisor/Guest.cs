using NovaLxd.Virt;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// One container's life here: launching, running or frozen, ending, ended (the latter two in GuestEnding.cs). Its record in the runtime directory
/// follows each change. All on the loop's thread.
/// </summary>
internal sealed partial class Guest : IDisposable
{
    private static readonly TimeSpan LaunchLimit = TimeSpan.FromMinutes(1);

    private readonly SupervisorContext _context;
    private readonly RebootBackoff _backoff;
    private readonly List<Action<Exception?>> _launchWaiters = [];
    private LaunchAttempt? _attempt;
    private EventLoop.Registration? _watch;
    private EventLoop.Timer? _timer;
    private ConsolePump? _console;
    private FileDescriptor? _pidfd;
    private FileDescriptor? _network;
    private ContainerCgroup _cgroup;
    private EndRequest? _ending;
    private bool _rebooting;
    private int _statusTries;

    public Guest(SupervisorContext context, GuestRecord record)
    {
        _context = context;
        Record = record;
        _backoff = new RebootBackoff(context.Time);
        _cgroup = context.Cgroups.Open(record.Spec.CgroupParent, record.Spec.Name);
    }

    public GuestRecord Record { get; private set; }

    public LaunchSpec Spec => Record.Spec;

    public bool IsRunning => Record.State is ContainerState.Running or ContainerState.Frozen;

    /// <summary>Whether a launch is at a point where this process must not be replaced.</summary>
    public bool IsLaunching => _attempt is not null;

    public FileDescriptor? Pidfd => _pidfd;

    public FileDescriptor? Network => _network;

    public FileDescriptor? Terminal => _console?.Master;

    public ContainerCgroup Cgroup => _cgroup;

    public EngineContainer Describe() => new(Spec.Id, Spec.Name, Record.State, Record.Init?.Pid ?? 0, Record.StartedAt, Record.LastExit);

    /// <summary>Launches what does not run; waits with the others when it is being launched.</summary>
    /// <param name="spec">Replaces the earlier one.</param>
    public void Launch(LaunchSpec spec, Action<Exception?> done)
    {
        if (_attempt is null && (IsRunning || _rebooting))
        {
            done(null);
            return;
        }

        _launchWaiters.Add(done);
        if (_attempt is null)
        {
            Record = new GuestRecord { Spec = spec, State = ContainerState.Stopped };
            _backoff.Reset();
            BeginLaunch();
        }
    }

    public void Freeze(Action<Exception?> done)
    {
        if (Record.State == ContainerState.Frozen)
        {
            done(null);
            return;
        }

        if (_pidfd is null || _attempt is not null)
        {
            done(new ContainerStateException($"{Spec.Name} does not run and cannot be frozen."));
            return;
        }

        // Aside: a guest can see to it that this takes its time.
        var pidfd = _pidfd;
        _context.Loop.RunAside(_cgroup.Freeze, failure =>
        {
            if (failure is null && _pidfd != pidfd)
            {
                failure = new ContainerStateException($"{Spec.Name} ended while it was frozen.");
            }
            else if (failure is null && Record.State == ContainerState.Running)
            {
                Save(Record with { State = ContainerState.Frozen });
                _context.Publish(Event(ContainerEventKind.Frozen));
            }

            done(failure);
        });
    }

    public void Unfreeze(Action<Exception?> done)
    {
        if (Record.State == ContainerState.Frozen)
        {
            _cgroup.Unfreeze();
            Save(Record with { State = ContainerState.Running });
            _context.Publish(Event(ContainerEventKind.Unfrozen));
        }

        done(Record.State == ContainerState.Running ? null : new ContainerStateException($"{Spec.Name} does not run and cannot be unfrozen."));
    }

    /// <summary>Removes cgroup and record of what has ended.</summary>
    public void Forget()
    {
        if (IsRunning || _attempt is not null || _rebooting)
        {
            throw new ContainerStateException($"{Spec.Name} runs: stop it before it is forgotten.");
        }

        _timer?.Cancel();
        _cgroup.Remove();
        _context.Records.Delete(Spec.Id);
    }

    /// <summary>Takes over a running container from an earlier supervisor, or finds that it has ended.</summary>
    /// <param name="keptPidfd">This and the others: kept over an upgrade of this very process, the terminal also by the service manager.</param>
    /// <param name="keptNetwork"/>
    /// <param name="keptTerminal"/>
    public void Adopt(FileDescriptor? keptPidfd, FileDescriptor? keptNetwork, FileDescriptor? keptTerminal)
    {
        if (Record.Init is null)
        {
            return;
        }

        _pidfd = keptPidfd ?? Record.Init.Open();
        if (_pidfd is null)
        {
            Finish(ContainerState.Stopped, "init ended while no supervisor ran; how is not known");
            return;
        }

        _network = keptNetwork ?? NicMover.TryOpenNamespace(Record.Init.Pid);
        if (Record.State is not (ContainerState.Running or ContainerState.Frozen))
        {
            EndHalfLaunched();
            return;
        }

        _watch = _context.Loop.Watch(_pidfd, SysEpoll.EPOLLIN, OnInitEnded);
        Save(Record with { State = _cgroup.IsFrozen() ? ContainerState.Frozen : ContainerState.Running });
        if (keptTerminal is not null)
        {
            UseTerminal(keptTerminal);
        }
    }

    /// <summary>The console's master comes back from whoever kept it. Owned from here on.</summary>
    public void UseTerminal(FileDescriptor master)
    {
        if (_console is not null || _pidfd is null)
        {
            master.Dispose();
            return;
        }

        _console = new ConsolePump(_context.Loop, master, new ConsoleRing(Spec.ConsoleLogPath, Spec.ConsoleLogBytes), _context.ConsoleBuffer);
    }

    public void ReportExit()
    {
        if (Record is { LastExit: not null, ExitReported: false } && _context.Publish(ExitEvent()))
        {
            Save(Record with { ExitReported = true });
        }
    }

    /// <summary>Lets go of everything; the processes run on.</summary>
    public void Dispose()
    {
        _timer?.Cancel();
        _watch?.Dispose();
        _attempt?.Dispose();
        _console?.Dispose();
        _pidfd?.Dispose();
        _network?.Dispose();
    }

    private void BeginLaunch()
    {
        try
        {
            _attempt = LaunchAttempt.Begin(_context, Spec, _network, attempt => Save(Record with
            {
                Init = attempt.Identity,
                StartedAt = _context.Time.GetUtcNow(),
                LastExit = null,
            }));
        }
        catch (Exception e) when (e is LaunchFailedException or ContainerStateException)
        {
            DropNetwork(bringHome: false); // The attempt has done so.
            LaunchFailed(e);
            return;
        }

        _timer = _context.Loop.After(LaunchLimit, () => SysPidfd.SendSignal(_attempt!.Pidfd, Signal.SIGKILL));
        _watch = _context.Loop.Watch(_attempt.Errors, SysEpoll.EPOLLIN, OnLaunchProgress);
    }

    private void OnLaunchProgress()
    {
        if (!_attempt!.TryFinish(out var terminal, out var failure))
        {
            return;
        }

        _watch!.Dispose();
        _timer!.Cancel();
        var attempt = _attempt;
        _attempt = null;
        if (failure is not null)
        {
            attempt.Abandon();
            DropNetwork(bringHome: false);
            LaunchFailed(failure);
            return;
        }

        DropNetwork(bringHome: false); // A rebooted guest's old one, empty by now.
        _network = attempt.Network;
        _cgroup = attempt.Cgroup;
        _pidfd = attempt.Pidfd;
        attempt.Dispose();
        InitRuns(terminal!);
    }

    private void InitRuns(FileDescriptor terminal)
    {
        var rebooted = _rebooting;
        _rebooting = false;
        ResetOomScore();
        Save(Record with { State = ContainerState.Running });
        _context.KeepTerminal(Spec.Id, terminal);
        UseTerminal(terminal);
        _watch = _context.Loop.Watch(_pidfd!, SysEpoll.EPOLLIN, OnInitEnded);
        _backoff.Started();
        _context.Log.Info($"{Spec.Name} ({Spec.Id}) {(rebooted ? "rebooted" : "started")}, init is process {Record.Init!.Pid}");
        _context.Publish(Event(rebooted ? ContainerEventKind.Rebooted : ContainerEventKind.Started));
        CompleteLaunch(null);
        if (rebooted && _ending is { Reboot: true } ending)
        {
            _ending = null;
            ending.Complete(null);
        }
    }

    private void LaunchFailed(Exception failure)
    {
        _context.Log.Error(failure.Message);
        if (_rebooting)
        {
            _rebooting = false;
            if (_ending is { Reboot: false })
            {
                Finish(ContainerState.Stopped, "the guest was stopped while it rebooted", failure);
                return;
            }

            Finish(ContainerState.Crashed, $"the guest rebooted and could not be launched again: {failure.Message}", failure);
            return;
        }

        Record = Record with { State = ContainerState.Stopped, Init = null };
        _context.Records.Delete(Spec.Id);
        CompleteLaunch(failure);
        var ending = _ending;
        _ending = null;
        ending?.Complete(null);
    }

    /// <summary>Whether this guest has a record worth keeping: a first launch that failed leaves none.</summary>
    public bool IsKnown => IsRunning || IsLaunching || _rebooting || Record.LastExit is not null;

    private void CompleteLaunch(Exception? failure)
    {
        var waiters = _launchWaiters.ToArray();
        _launchWaiters.Clear();
        Array.ForEach(waiters, waiter => waiter(failure));
    }

    private void DropNetwork(bool bringHome)
    {
        if (_network is not null && bringHome)
        {
            LaunchAttempt.BringHome(Spec, _network, _context.Log);
        }

        _network?.Dispose();
        _network = null;
    }

    /// <summary>The guest must not inherit what protects this process. (Not in the child: while it shares our memory it would change ours.)</summary>
    private void ResetOomScore()
    {
        if (File.ReadAllText("/proc/self/oom_score_adj").Trim() != "0")
        {
            Unistd.WriteFile($"/proc/{Record.Init!.Pid}/oom_score_adj", "0");
        }
    }

    private void Save(GuestRecord record)
    {
        Record = record;
        _context.Records.Save(record);
    }

    private ContainerEvent Event(ContainerEventKind kind) => new(Spec.Id, kind, _context.Time.GetUtcNow());

    private ContainerEvent ExitEvent() => new(
        Spec.Id, Record.State == ContainerState.Crashed ? ContainerEventKind.Crashed : ContainerEventKind.Stopped, _context.Time.GetUtcNow(), Record.LastExit);
}
