using System.Diagnostics.CodeAnalysis;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>A child that runs a list of system calls until its exec. Disposing of it frees the list; the process lives on.</summary>
internal sealed class ChildProcess : IDisposable
{
    private readonly SyscallProgram _program;

    private ChildProcess(SyscallProgram program, int pid, FileDescriptor pidfd, FileDescriptor errors)
    {
        _program = program;
        Pid = pid;
        Pidfd = pidfd;
        Errors = errors;
    }

    public int Pid { get; }

    /// <summary>Handed on to whoever watches the process; not disposed of here.</summary>
    public FileDescriptor Pidfd { get; }

    /// <summary>Becomes readable when the program runs (end of file) or a step has failed.</summary>
    public FileDescriptor Errors { get; }

    [SuppressMessage("Reliability", "CA2000:Dispose objects before losing scope", Justification = "Owned by the result.")]
    public static ChildProcess Start(SyscallStub stub, IReadOnlyList<SyscallStep> steps, ulong flags, FileDescriptor? cgroup = null)
    {
        var program = new SyscallProgram(steps);
        try
        {
            var (read, write) = Unistd.pipe2(Fcntl.O_CLOEXEC | Fcntl.O_NONBLOCK);
            using (write)
            {
                var (pid, pidfd) = program.Start(stub, flags, write, cgroup);
                return new ChildProcess(program, pid, pidfd, read);
            }
        }
        catch
        {
            program.Dispose();
            throw;
        }
    }

    /// <summary>What became of the list.</summary>
    /// <param name="failure">The step that failed; null when the program runs, or when the child was killed before.</param>
    /// <returns>False: it is still under way.</returns>
    public bool TryFinish(out KernelException? failure)
    {
        Span<byte> report = stackalloc byte[16];
        failure = null;
        switch (Unistd.Read(Errors.Number, report))
        {
            case null:
                return false;
            case 16:
                failure = _program.DecodeFailure(report);
                return true;
            default:
                return true;
        }
    }

    public void Dispose()
    {
        Errors.Dispose();
        _program.Dispose();
    }
}
