using NovaLxd.Virt;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Host;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>A command run inside a container for a client, from the clone to its exit status. Its streams are the client's.</summary>
internal sealed class ExecSession
{
    private readonly SupervisorContext _context;
    private readonly ChildProcess _child;
    private readonly Action<int, Exception?> _done;
    private EventLoop.Registration? _watch;
    private EventLoop.Timer? _limit;

    private ExecSession(SupervisorContext context, ChildProcess child, Action<int, Exception?> done)
    {
        _context = context;
        _child = child;
        _done = done;
    }

    public FileDescriptor Pidfd => _child.Pidfd;

    /// <param name="streams">Standard input, output and error; not owned.</param>
    /// <param name="done">Exit status as a shell says it (126, 127: it could not be executed), or why there was none.</param>
    public static ExecSession Start(
        SupervisorContext context, Guest guest, ExecCommand command, IReadOnlyList<FileDescriptor> streams, Action<int, Exception?> done)
    {
        var (read, go) = Unistd.pipe2(Fcntl.O_CLOEXEC);
        using (read)
        using (go)
        {
            var steps = ExecPlan.Build(
                command,
                guest.Spec.IdMap is not null,
                new ExecPlan.Inputs(
                    guest.Pidfd!.Number, read.Number, streams[0].Number, streams[1].Number, streams[2].Number, context.Host.OpenFilesLimit,
                    Capabilities.Bounding(guest.Spec.Security), guest.Spec.SeccompFilter ?? SeccompProfile.Compile(guest.Spec.Security), AppArmor.LoadedProfile()));
            var session = new ExecSession(context, StartInPidNamespace(context, guest.Pidfd, steps, [guest.Pidfd.Number, read.Number, .. streams.Select(stream => stream.Number)]), done);
            try
            {
                guest.Cgroup.Join(session._child.Pid);
            }
            catch
            {
                session.Kill();
                SysWait.WaitForExit(session.Pidfd, block: true);
                session.Pidfd.Dispose();
                session._child.Dispose();
                throw;
            }

            Unistd.WriteAll(go.Number, [1]);
            session._limit = context.Loop.After(command.Timeout, session.Kill);
            session._watch = context.Loop.Watch(session._child.Errors, SysEpoll.EPOLLIN, session.OnExecuted);
            return session;
        }
    }

    /// <summary>With all of its session that did not leave it.</summary>
    public void Kill()
    {
        Signal.KillGroup(_child.Pid, Signal.SIGKILL); // Its id cannot have gone to somebody else before we have reaped it.
        SysPidfd.SendSignal(_child.Pidfd, Signal.SIGKILL);
    }

    /// <summary>The children of the calling thread are born into the namespace it has chosen last; no other thread of ours clones.</summary>
    private static ChildProcess StartInPidNamespace(SupervisorContext context, FileDescriptor init, IReadOnlyList<SyscallStep> steps, IReadOnlyList<int> kept)
    {
        using var own = Fcntl.open("/proc/self/ns/pid", Fcntl.O_RDONLY | Fcntl.O_CLOEXEC);
        Sched.setns(init, Sched.CLONE_NEWPID, "pid namespace of the container");
        try
        {
            return ChildProcess.Start(context.Stub, steps, kept, 0);
        }
        finally
        {
            Sched.setns(own, Sched.CLONE_NEWPID, "own pid namespace");
        }
    }

    private void OnExecuted()
    {
        if (!_child.TryFinish(out var failure))
        {
            return;
        }

        _watch!.Dispose();
        _child.Dispose();
        _watch = _context.Loop.Watch(_child.Pidfd, SysEpoll.EPOLLIN, () => OnEnded(failure));
    }

    private void OnEnded(KernelException? failure)
    {
        if (SysWait.WaitForExit(_child.Pidfd, block: false) is not { } status)
        {
            return;
        }

        _watch!.Dispose();
        _limit!.Cancel();
        _child.Pidfd.Dispose();
        if (failure is { Call: nameof(Syscall.execve) })
        {
            _done(failure.Errno == Errno.ENOENT ? 127 : 126, null);
        }
        else
        {
            _done(status.ShellStatus, failure);
        }
    }
}
