using NovaLxd.Virt;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// What the end of an init means. reboot(2) in a pid namespace other than the first does not reboot the machine: the kernel lets that namespace's init die
/// by SIGHUP for a restart and by SIGINT for halt and power off (pid_namespaces(7)).
/// </summary>
/// <param name="Words">As the object of "init ...".</param>
internal sealed record InitExit(bool Reboot, ContainerState State, string Words)
{
    /// <param name="status">Null: not known (it was no child of ours, and the kernel is older than 6.15).</param>
    /// <param name="killed">Whether we killed it.</param>
    public static InitExit Classify(WaitStatus? status, bool killed) => status switch
    {
        null => new(false, ContainerState.Stopped, "init ended; how is not known to this supervisor, which did not start it"),
        { Exited: false, Value: Signal.SIGHUP } => new(true, ContainerState.Stopped, "the guest rebooted"),
        { Exited: false, Value: Signal.SIGINT } => new(false, ContainerState.Stopped, "the guest shut down"),
        { Exited: true, Value: 0 } => new(false, ContainerState.Stopped, "init exited"),
        { Exited: false, Value: Signal.SIGKILL } when killed => new(false, ContainerState.Stopped, "killed, as it did not shut down in time"),
        { Exited: true, Value: var code } => new(false, ContainerState.Crashed, $"init exited with status {code}"),
        { Exited: false, Value: Signal.SIGKILL } => new(false, ContainerState.Crashed, "init was killed (SIGKILL): by hand, or for want of memory"),
        { Value: var signal } => new(false, ContainerState.Crashed, $"init was killed by signal {signal}"),
    };
}
