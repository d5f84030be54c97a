using System.Text.Json;
using System.Text.Json.Serialization;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// What service and supervisor say to each other: one JSON object a message over a SOCK_SEQPACKET unix socket, which keeps messages whole and carries
/// descriptors (unix(7)). A request is answered by the message of the same sequence number; messages with number 0 come unasked, after
/// <see cref="SupervisorCall.Subscribe"/>.
/// </summary>
internal static class SupervisorProtocol
{
    /// <summary>Raised when a message changes so that an older peer would misunderstand it. For a request more, <see cref="SupervisorMessage.Calls"/> is enough.</summary>
    public const int Version = 1;

    /// <summary>Most bytes of a message; a launch spec is some kilobytes.</summary>
    public const int MaxMessage = 256 * 1024;

    /// <summary>Name of the socket in the runtime directory.</summary>
    public const string SocketName = "supervisor.sock";

    public static byte[] Encode(SupervisorRequest request) => JsonSerializer.SerializeToUtf8Bytes(request, SupervisorJson.Default.SupervisorRequest);

    public static byte[] Encode(SupervisorMessage message) => JsonSerializer.SerializeToUtf8Bytes(message, SupervisorJson.Default.SupervisorMessage);

    public static SupervisorRequest DecodeRequest(ReadOnlySpan<byte> message) =>
        JsonSerializer.Deserialize(message, SupervisorJson.Default.SupervisorRequest) ?? throw new InvalidDataException("The request is null.");

    public static SupervisorMessage DecodeMessage(ReadOnlySpan<byte> message) =>
        JsonSerializer.Deserialize(message, SupervisorJson.Default.SupervisorMessage) ?? throw new InvalidDataException("The message is null.");
}

internal enum SupervisorCall
{
    /// <summary>First on a connection; answered with version and instance of the supervisor.</summary>
    Hello,

    /// <summary>Gives back the master of a console kept for an earlier supervisor; comes with one descriptor.</summary>
    KeepTerminal,

    /// <summary>From now on: the masters of the consoles, ends that were not reported yet, then events.</summary>
    Subscribe,

    Launch,
    Stop,
    Reboot,
    Freeze,
    Unfreeze,
    Forget,

    /// <summary>Each container in a message of its own, then the answer.</summary>
    List,

    /// <summary>Comes with three descriptors: standard input, output and error.</summary>
    Exec,

    /// <summary>Kills the command started by the request with number <see cref="SupervisorRequest.Target"/>.</summary>
    CancelExec,

    /// <summary>Executes its program file anew, keeping everything.</summary>
    Upgrade,

    /// <summary>Moves <see cref="SupervisorRequest.Nic"/> into the container and keeps it among its interfaces.</summary>
    AttachNic,

    /// <summary>Drops the interface of <see cref="SupervisorRequest.Port"/> from those that the container keeps.</summary>
    DetachNic,

    /// <summary>As Launch, for a container with a drive: a supervisor that knows nothing of drives would launch it without.</summary>
    LaunchWithDrive,

    /// <summary>As Launch, for a container with further disks, and with a drive or without.</summary>
    LaunchWithDisks,
}

internal sealed record SupervisorRequest
{
    public required long Sequence { get; init; }

    public required SupervisorCall Call { get; init; }

    public Guid Id { get; init; }

    public LaunchSpec? Spec { get; init; }

    public TimeSpan Grace { get; init; }

    public ExecCommand? Exec { get; init; }

    public long Target { get; init; }

    public ContainerNic? Nic { get; init; }

    public Guid Port { get; init; }
}

/// <summary>A command to run inside; its streams travel as descriptors.</summary>
internal sealed record ExecCommand(
    IReadOnlyList<string> Command, IReadOnlyDictionary<string, string> Environment, string WorkingDirectory, int UserId, int GroupId, TimeSpan Timeout);

internal sealed record SupervisorMessage
{
    public long Sequence { get; init; }

    public SupervisorFailure? Failure { get; init; }

    /// <summary>Answer to Hello.</summary>
    public int Version { get; init; }

    /// <summary>Answer to Hello: another after every start, the same after an upgrade.</summary>
    public Guid Instance { get; init; }

    /// <summary>Answer to Hello: names of the requests it knows; null from supervisors older than this list. A name that it does not know it could not even read.</summary>
    public IReadOnlyList<string>? Calls { get; init; }

    /// <summary>Answer to Launch; an item of List.</summary>
    public EngineContainer? Container { get; init; }

    /// <summary>Where an item of List keeps its console and cgroup.</summary>
    public LaunchSpec? Spec { get; init; }

    /// <summary>Whether this ends the answer; false for the items of List.</summary>
    public bool Last { get; init; } = true;

    /// <summary>Answer to Stop and Reboot: whether the guest did it itself.</summary>
    public bool Willingly { get; init; }

    /// <summary>Answer to Exec, as a shell says it.</summary>
    public int ExitCode { get; init; }

    /// <summary>Unasked.</summary>
    public ContainerEvent? Event { get; init; }

    /// <summary>Unasked, with one descriptor: the console's master of this container, to be kept.</summary>
    public Guid? Terminal { get; init; }
}

/// <summary>A failure that crosses the socket and becomes the exception it was.</summary>
internal sealed record SupervisorFailure(FailureKind Kind, string Message, int Errno = 0, string? Call = null, string? Target = null)
{
    public static SupervisorFailure Of(Exception e) => e switch
    {
        ContainerNotFoundException => new(FailureKind.NotFound, e.Message),
        ContainerStateException => new(FailureKind.State, e.Message),
        NoInitException => new(FailureKind.NoInit, e.Message),
        LaunchFailedException => new(FailureKind.Launch, e.Message),
        KernelException kernel => new(FailureKind.Kernel, e.Message, kernel.Errno, kernel.Call, kernel.Target),
        _ => new(FailureKind.Other, e.Message),
    };

    public Exception ToException(Guid id) => Kind switch
    {
        FailureKind.NotFound => new ContainerNotFoundException(id),
        FailureKind.State => new ContainerStateException(Message),
        FailureKind.NoInit => new NoInitException(Message),
        FailureKind.Launch => new LaunchFailedException(Message),
        FailureKind.Kernel => new KernelException(Errno, Call ?? "", Target),
        _ => new SupervisorException(Message),
    };
}

internal enum FailureKind
{
    Other,
    NotFound,
    State,
    Launch,
    Kernel,
    NoInit,
}

/// <summary>The supervisor is gone, could not be started, or failed in a way nobody foresaw.</summary>
internal sealed class SupervisorException(string message, Exception? inner = null) : VirtException(message, inner);

/// <summary>The supervisor that runs was started from an older program than this service and does not know the request.</summary>
internal sealed class SupervisorOutdatedException(SupervisorCall call) : VirtException(
    $"The supervisor that runs is older than this service and does not know the request {call}. Have it execute the new program by 'kill -USR2', " +
    "which keeps the containers, and try again.");

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(SupervisorRequest))]
[JsonSerializable(typeof(SupervisorMessage))]
internal sealed partial class SupervisorJson : JsonSerializerContext;
