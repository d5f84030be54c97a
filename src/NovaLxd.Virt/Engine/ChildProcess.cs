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

    /// <param name="kept">
    /// The descriptors the list uses. All others above the standard streams are closed first: a copy of its own parent's end would keep the child waiting for ever
    /// for a parent that has died, and what belongs to other containers must not be at hand in this one's namespaces.
    /// </param>
    [SuppressMessage("Reliability", "CA2000:Dispose objects before losing scope", Justification = "Owned by the result.")]
    public static ChildProcess Start(SyscallStub stub, IReadOnlyList<SyscallStep> steps, IReadOnlyList<int> kept, ulong flags, FileDescriptor? cgroup = null)
    {
        var (read, write) = Unistd.pipe2(Fcntl.O_CLOEXEC | Fcntl.O_NONBLOCK);
        SyscallProgram? program = null;
        try
        {
            using (write)
            {
                program = new SyscallProgram([.. CloseAllBut([.. kept, write.Number]), .. steps]);
                var (pid, pidfd) = program.Start(stub, flags, write, cgroup);
                return new ChildProcess(program, pid, pidfd, read);
            }
        }
        catch
        {
            read.Dispose();
            program?.Dispose();
            throw;
        }
    }

    /// <summary>close_range(2) of the gaps.</summary>
    internal static IEnumerable<SyscallStep> CloseAllBut(IReadOnlyList<int> kept)
    {
        var first = 3L;
        foreach (var descriptor in kept.Where(descriptor => descriptor >= first).Order())
        {
            if (descriptor > first)
            {
                yield return new(Syscall.close_range, first, descriptor - 1, 0);
            }

            first = descriptor + 1L;
        }

        yield return new(Syscall.close_range, first, new Argument.Number(uint.MaxValue, "~0U"), 0);
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
