using System.Text;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// A list of steps laid out in native memory as <see cref="SyscallStub"/> reads it: context, clone_args, entries, data, and a page of stack. Must be
/// kept until the child has executed its program or is gone.
/// </summary>
internal sealed unsafe class SyscallProgram : IDisposable
{
    private const int CloneArgumentsOffset = SyscallStub.ContextSize;
    private const int EntriesOffset = 128;
    private const int StackSize = 4096;

    private readonly MappedMemory _memory;
    private readonly IReadOnlyList<SyscallStep> _steps;
    private int _used;

    public SyscallProgram(IReadOnlyList<SyscallStep> steps)
    {
        _steps = steps;
        var data = EntriesOffset + (steps.Count * SyscallStub.EntrySize);
        var total = data + steps.Sum(step => step.Arguments.Sum(argument => argument.MemorySize));
        _memory = SysMman.mmap(((total + 4095) & ~4095) + StackSize);
        _used = data;
        for (var i = 0; i < steps.Count; i++)
        {
            WriteEntry(i);
        }
    }

    /// <summary>Makes the child that runs the list.</summary>
    /// <param name="flags">CLONE_NEW* and the like; CLONE_VM, CLONE_PIDFD and CLONE_CLEAR_SIGHAND are always set.</param>
    /// <param name="errorPipe">Descriptor that is told about a failed step; closed by exec.</param>
    /// <param name="cgroup">Folder of the unified hierarchy in which the child begins.</param>
    public (int Pid, FileDescriptor Pidfd) Start(SyscallStub stub, ulong flags, FileDescriptor errorPipe, FileDescriptor? cgroup)
    {
        var context = (long*)_memory.Address;
        context[0] = _memory.Address + EntriesOffset;
        context[1] = errorPipe.Number;
        var pidfd = -1;
        var arguments = (Sched.clone_args*)(_memory.Address + CloneArgumentsOffset);
        *arguments = new Sched.clone_args
        {
            flags = flags | Sched.CLONE_VM | Sched.CLONE_PIDFD | Sched.CLONE_CLEAR_SIGHAND | (cgroup is null ? 0 : Sched.CLONE_INTO_CGROUP),
            pidfd = (ulong)&pidfd,
            exit_signal = Signal.SIGCHLD,
            stack = (ulong)(_memory.Address + _memory.Length - StackSize),
            stack_size = StackSize,
            cgroup = (ulong)(cgroup?.Number ?? 0),
        };
        var pid = stub.Clone(arguments, context);
        return (pid, new FileDescriptor(pidfd));
    }

    /// <summary>The failure behind what the child wrote to its error pipe: {result, address of the entry}.</summary>
    public KernelException DecodeFailure(ReadOnlySpan<byte> report)
    {
        var result = BitConverter.ToInt64(report);
        var index = (int)((BitConverter.ToInt64(report[8..]) - _memory.Address - EntriesOffset) / SyscallStub.EntrySize);
        var step = _steps[index];
        var target = step.Call == Syscall.execve ? (step.Arguments[0] as Argument.Text)?.Value : step.ToString();
        return new KernelException(result < 0 ? (int)-result : Errno.EPIPE, step.Call.ToString(), target);
    }

    public void Dispose() => _memory.Dispose();

    private void WriteEntry(int index)
    {
        var step = _steps[index];
        var entry = Entry(index);
        entry[0] = SyscallNumbers.Of(step.Call);
        entry[8] = step.Least;
        for (var i = 0; i < step.Arguments.Count; i++)
        {
            switch (step.Arguments[i])
            {
                case Argument.Number number:
                    entry[1 + i] = number.Value;
                    break;
                case Argument.ResultOf result:
                    StoreInto(result.Step, index, &entry[1 + i]);
                    break;
                case var memory:
                    entry[1 + i] = Place(memory);
                    break;
            }
        }
    }

    private void StoreInto(SyscallStep source, int user, long* place)
    {
        for (var i = 0; i < user; i++)
        {
            if (ReferenceEquals(_steps[i], source))
            {
                var store = &Entry(i)[7];
                *store = *store == 0 ? (long)place : throw new InvalidOperationException($"The result of {source} is used twice.");
                return;
            }
        }

        throw new InvalidOperationException($"{_steps[user]} uses the result of a step that does not come before it.");
    }

    private long Place(Argument argument)
    {
        var content = argument is Argument.Text text ? Encoding.UTF8.GetBytes(text.Value) : ((Argument.Memory)argument).Content;
        var address = _memory.Address + _used;
        content.CopyTo(new Span<byte>((void*)address, content.Length));
        _used += argument is Argument.Text ? (content.Length + 8) & ~7 : (content.Length + 7) & ~7;
        if (argument is Argument.Memory memory)
        {
            foreach (var (offset, target) in memory.Pointers)
            {
                *(long*)(address + offset) = Place(target);
            }
        }

        return address;
    }

    private long* Entry(int index) => (long*)(_memory.Address + EntriesOffset + (index * SyscallStub.EntrySize));
}
