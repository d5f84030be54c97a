using System.Globalization;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>Id maps of user namespaces (user_namespaces(7)).</summary>
internal static class IdMapNamespace
{
    /// <summary>Writes both maps of a child that has not begun yet; with them it gets all capabilities in its namespace.</summary>
    public static void WriteMaps(int pid, IdMap map)
    {
        var line = string.Create(CultureInfo.InvariantCulture, $"0 {map.HostBase} {map.Count}\n");
        Unistd.WriteFile($"/proc/{pid}/uid_map", line);
        Unistd.WriteFile($"/proc/{pid}/gid_map", line);
    }

    /// <summary>
    /// A user namespace with this map, for mounts to refer to (mount_setattr(2), MOUNT_ATTR_IDMAP). It takes a process to make one: it waits until the
    /// namespace is held by a descriptor, and ends.
    /// </summary>
    public static FileDescriptor Open(SyscallStub stub, IdMap map)
    {
        var (read, write) = Unistd.pipe2(Fcntl.O_CLOEXEC);
        using (read)
        using (write)
        {
            IReadOnlyList<SyscallStep> steps =
            [
                new(Syscall.read, read.Number, new Argument.Memory(new byte[8], "<go>"), 1),
                new(Syscall.exit_group, 0),
            ];
            using var child = ChildProcess.Start(stub, steps, [read.Number], Sched.CLONE_NEWUSER);
            using var pidfd = child.Pidfd;
            try
            {
                WriteMaps(child.Pid, map);
                return Fcntl.open(string.Create(CultureInfo.InvariantCulture, $"/proc/{child.Pid}/ns/user"), Fcntl.O_RDONLY | Fcntl.O_CLOEXEC);
            }
            finally
            {
                SysPidfd.SendSignal(pidfd, Signal.SIGKILL);
                SysWait.WaitForExit(pidfd, block: true);
            }
        }
    }
}
