using NovaLxd.Virt;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>What all guests of this supervisor share.</summary>
internal sealed record SupervisorContext
{
    public required EventLoop Loop { get; init; }

    public required Log Log { get; init; }

    public required TimeProvider Time { get; init; }

    public required SyscallStub Stub { get; init; }

    public required ICgroups Cgroups { get; init; }

    public required HostFacts Host { get; init; }

    public required GuestRecords Records { get; init; }

    /// <summary>An existing empty folder, readable by anybody.</summary>
    public required string StagingDirectory { get; init; }

    /// <summary>Tells the service; true when somebody heard it.</summary>
    public required Func<ContainerEvent, bool> Publish { get; init; }

    /// <summary>Has the master of a console kept outside this process.</summary>
    public required Action<Guid, FileDescriptor> KeepTerminal { get; init; }

    /// <summary>The kept master is of no more use.</summary>
    public required Action<Guid> ForgetTerminal { get; init; }

    public byte[] ConsoleBuffer { get; } = new byte[16 * 1024];
}
