using NovaLxd.Virt.Kernel;
using static NovaLxd.Virt.Engine.Argument;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// From command to system calls: how a process joins a running container. Pure. Its pid namespace it gets by birth (setns(2) moves only the children to come);
/// the others it enters at once, through init's pidfd, and as late as it can, since until exec it shares the supervisor's memory.
/// </summary>
internal static class ExecPlan
{
    /// <param name="InitPidfd">Whose namespaces are entered.</param>
    /// <param name="Go">Read end of a pipe: a byte comes when the parent has put the child into its cgroups.</param>
    internal sealed record Inputs(
        int InitPidfd, int Go, int StandardInput, int StandardOutput, int StandardError, long OpenFilesLimit, IReadOnlyList<int> DroppedCapabilities, byte[] Seccomp,
        string? AppArmorProfile);

    public static IReadOnlyList<SyscallStep> Build(ExecCommand command, bool userNamespace, Inputs inputs) =>
    [
        .. Confinement.ForgetParent(),
        new(Syscall.read, inputs.Go, new Memory(new byte[8], "<go>"), 1) { Least = 1 },
        new(Syscall.setns, inputs.InitPidfd, Namespaces(userNamespace)),
        .. Confinement.BecomeUser(0, 0),
        new(Syscall.dup3, inputs.StandardInput, 0, 0),
        new(Syscall.dup3, inputs.StandardOutput, 1, 0),
        new(Syscall.dup3, inputs.StandardError, 2, 0),
        new(Syscall.umask, 0x12 /* 022 */),
        .. Confinement.Limit(inputs.OpenFilesLimit, inputs.DroppedCapabilities, inputs.AppArmorProfile, inputs.Seccomp),
        .. command is { UserId: 0, GroupId: 0 } ? [] : Confinement.BecomeUser(command.UserId, command.GroupId),
        new(Syscall.chdir, command.WorkingDirectory),
        .. Execute(command),
    ];

    private static Number Namespaces(bool userNamespace)
    {
        var flags = Sched.CLONE_NEWNS | Sched.CLONE_NEWUTS | Sched.CLONE_NEWIPC | Sched.CLONE_NEWNET | Sched.CLONE_NEWCGROUP
            | (userNamespace ? Sched.CLONE_NEWUSER : 0);
        return new Number((long)flags, $"CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET|CLONE_NEWCGROUP{(userNamespace ? "|CLONE_NEWUSER" : "")}");
    }

    /// <summary>As execvp(3): a name without a slash is tried in each folder of PATH.</summary>
    private static IEnumerable<SyscallStep> Execute(ExecCommand command)
    {
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = Confinement.DefaultPath,
            ["HOME"] = command.UserId == 0 ? "/root" : "/",
            ["TERM"] = "linux",
            ["container"] = "lxc",
        };
        foreach (var (name, value) in command.Environment)
        {
            environment[name] = value;
        }

        var program = command.Command[0];
        string[] paths = program.Contains('/', StringComparison.Ordinal)
            ? [program]
            : [.. environment["PATH"].Split(':').Select(folder => $"{folder}/{program}")];
        var arguments = Vector(command.Command);
        var variables = Vector([.. environment.Select(variable => $"{variable.Key}={variable.Value}")]);
        return paths.Select((path, i) => new SyscallStep(Syscall.execve, path, arguments, variables)
        {
            Least = i < paths.Length - 1 ? SyscallStep.AnyResult : 0,
        });
    }
}
