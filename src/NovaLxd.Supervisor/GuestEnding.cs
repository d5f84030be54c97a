using NovaLxd.Virt;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <content>How a guest ends: asked, killed or by itself; what that means; and the launch that follows a reboot.</content>
internal sealed partial class Guest
{
    /// <summary>Signals init; kills after <paramref name="grace"/>. <paramref name="done"/> learns whether the guest went by itself.</summary>
    public void End(bool reboot, TimeSpan grace, Action<bool, Exception?> done)
    {
        if (_attempt is null && _pidfd is null)
        {
            EndWithoutProcess(reboot, done);
            return;
        }

        if (Record.State == ContainerState.Frozen)
        {
            Unfreeze(_ => { });
        }

        _ending ??= new EndRequest { Reboot = reboot };
        _ending.Reboot &= reboot; // A stop wins over a reboot under way.
        _ending.Waiters.Add(done);
        _ending.Timer?.Cancel();
        if (grace <= TimeSpan.Zero || _attempt is not null)
        {
            Kill();
            return;
        }

        _ending.Timer = _context.Loop.After(grace, Kill);
        AskInit(_ending);
    }

    /// <summary>Init's own signal, once it takes it: an init that has hardly begun would not get it.</summary>
    private void AskInit(EndRequest ending)
    {
        if (_ending != ending || _pidfd is null || ending.Killed)
        {
            return;
        }

        var pid = Record.Init!.Pid;
        var kind = InitKind.Detect(pid);
        var signal = ending.Reboot ? kind.Reboot : kind.Halt;
        if (InitKind.Takes(pid, signal))
        {
            SysPidfd.SendSignal(_pidfd, signal);
            return;
        }

        _context.Loop.After(TimeSpan.FromMilliseconds(100), () => AskInit(ending));
    }

    private void Kill()
    {
        _ending!.Killed = true;
        if (_attempt is not null)
        {
            SysPidfd.SendSignal(_attempt.Pidfd, Signal.SIGKILL);
            return;
        }

        _context.Log.Info($"{Spec.Name} is killed");
        if (_cgroup.IsFrozen())
        {
            _cgroup.Unfreeze(); // v1: a frozen process dies only when it is thawed.
        }

        SysPidfd.SendSignal(_pidfd!, Signal.SIGKILL); // With init the kernel ends its whole pid namespace.
    }

    private void EndWithoutProcess(bool reboot, Action<bool, Exception?> done)
    {
        if (_rebooting && !reboot)
        {
            _rebooting = false;
            _timer?.Cancel();
            DropNetwork(bringHome: true);
            Finish(ContainerState.Stopped, "stopped while it rebooted");
        }

        done(true, reboot ? new ContainerStateException($"{Spec.Name} does not run and cannot be rebooted.") : null);
    }

    /// <summary>
    /// The earlier supervisor died between clone and the word that init runs. Without its "go" the child ends by itself, and one that has become init has lost its
    /// console: either way it is none that could be answered for. Whoever asked for the launch has no answer, and asks again.
    /// </summary>
    private void EndHalfLaunched()
    {
        SysPidfd.SendSignal(_pidfd!, Signal.SIGKILL);
        using (var epoll = SysEpoll.epoll_create1())
        {
            SysEpoll.epoll_ctl(epoll, SysEpoll.EPOLL_CTL_ADD, _pidfd!.Number, SysEpoll.EPOLLIN, 0);
            SysEpoll.Wait(epoll, stackalloc (uint, long)[1], (int)LaunchLimit.TotalMilliseconds);
        }

        _pidfd.Dispose();
        _pidfd = null;
        RemoveCgroup();
        DropNetwork(bringHome: true);
        Finish(ContainerState.Stopped, "its launch ended with the supervisor that made it");
    }

    private void OnInitEnded()
    {
        if (!TryReadStatus(out var status))
        {
            return;
        }

        _watch!.Dispose();
        _pidfd!.Dispose();
        _pidfd = null;
        _console?.Drain();
        _console?.Dispose();
        _console = null;
        _context.ForgetTerminal(Spec.Id);
        _ending?.Timer?.Cancel();
        RemoveCgroup();
        var exit = InitExit.Classify(status, _ending is { Killed: true });
        var ending = _ending;
        if (ending?.Reboot ?? exit.Reboot)
        {
            Relaunch();
            return;
        }

        _ending = null;
        DropNetwork(bringHome: true);
        Finish(ending is null ? exit.State : ContainerState.Stopped, exit.Words);
        ending?.Complete(null);
    }

    /// <summary>
    /// Children are reaped. What an earlier supervisor started belongs to whoever reaps orphans here, and the kernel tells how it ended when that has
    /// happened; a little while is given for it.
    /// </summary>
    private bool TryReadStatus(out WaitStatus? status)
    {
        try
        {
            status = SysWait.WaitForExit(_pidfd!, block: false);
            return status is not null;
        }
        catch (KernelException e) when (e.Errno == Errno.ECHILD)
        {
            status = SysPidfd.TryGetExit(_pidfd!);
        }

        if (status is not null || ++_statusTries > 20)
        {
            _statusTries = 0;
            return true;
        }

        // Not watched meanwhile: the kernel reports a hang-up of who has been reaped whatever is watched for, and each report would begin another round.
        _watch!.Dispose();
        _timer = _context.Loop.After(TimeSpan.FromMilliseconds(50), OnInitEnded);
        return false;
    }

    private void Relaunch()
    {
        _rebooting = true;
        Record = Record with { Init = null };
        if (_ending is not null)
        {
            BeginLaunch();
            return;
        }

        if (_backoff.Next() is not { } delay)
        {
            _rebooting = false;
            DropNetwork(bringHome: true);
            Finish(ContainerState.Crashed, $"the guest rebooted {RebootBackoff.Limit} times in a row without running for {RebootBackoff.Settled.TotalSeconds:0} seconds");
            return;
        }

        if (delay == TimeSpan.Zero)
        {
            BeginLaunch();
            return;
        }

        _timer = _context.Loop.After(delay, BeginLaunch);
    }

    private void Finish(ContainerState state, string words, Exception? failure = null)
    {
        if (state == ContainerState.Crashed && LastConsoleLine() is { } line)
        {
            words = $"{words}; its console said last: {line}";
        }

        Save(Record with { State = state, Init = null, LastExit = words, ExitReported = false });
        _context.Log.Info($"{Spec.Name} ({Spec.Id}) {(state == ContainerState.Crashed ? "crashed" : "stopped")}: {words}");
        ReportExit();
        CompleteLaunch(failure ?? new LaunchFailedException($"{Spec.Name}: {words}"));
        var ending = _ending;
        _ending = null;
        ending?.Complete(ending.Reboot ? failure ?? new LaunchFailedException(words) : null);
    }

    private string? LastConsoleLine() =>
        System.Text.Encoding.UTF8.GetString(ConsoleRing.ReadTail(Spec.ConsoleLogPath, 512))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).LastOrDefault(line => line.Length > 0);

    /// <summary>Empty now, but the kernel may take a moment to notice.</summary>
    private void RemoveCgroup(int tries = 0)
    {
        try
        {
            _cgroup.Remove();
        }
        catch (Exception e) when (e is KernelException or IOException && tries < 20)
        {
            _context.Loop.After(TimeSpan.FromMilliseconds(50), () =>
            {
                if (!IsRunning && !_rebooting && _attempt is null)
                {
                    RemoveCgroup(tries + 1);
                }
            });
        }
    }

    /// <summary>Somebody wants the guest to end, and then perhaps to begin again.</summary>
    private sealed class EndRequest
    {
        public bool Reboot { get; set; }

        public bool Killed { get; set; }

        public EventLoop.Timer? Timer { get; set; }

        public List<Action<bool, Exception?>> Waiters { get; } = [];

        public void Complete(Exception? failure) => Waiters.ForEach(waiter => waiter(!Killed, failure));
    }
}
