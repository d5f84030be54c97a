using System.Text;
using NovaLxd.Virt.Kernel;
using static NovaLxd.Virt.Engine.Argument;
using static NovaLxd.Virt.Kernel.SysMount;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// From spec to system calls: all that a container's init does before it is init. Pure, so that it can be tested and printed.
/// <para>
/// Order. Signals and session; wait for the parent (id maps, cgroups); root mount and pivot_root while still the host's root in the container's namespaces (whose ids
/// may not reach the staging folder); become the container's root; the drive and disks; /proc, /sys, cgroups and /dev, with the host's tree as working directory so that
/// device nodes and lxcfs files are found, and every target looked up inside the new root, where a link in a hostile image leads nowhere else; let go
/// of the host's tree; wait for the parent once more (interfaces, which it has moved meanwhile: the slowest part); names, limits; capabilities, label,
/// filter; exec.
/// </para>
/// </summary>
internal static partial class LaunchPlan
{
    /// <summary>Nodes a container gets when the host has them, all of which are harmless in anybody's hands.</summary>
    public static readonly IReadOnlyList<string> Devices = ["null", "zero", "full", "random", "urandom", "tty", "net/tun", "fuse"];

    /// <summary>Files of /proc that tell about the host or act on it.</summary>
    public static readonly IReadOnlyList<string> MaskedFiles =
        ["/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug"];

    public static readonly IReadOnlyList<string> MaskedDirectories =
        ["/proc/acpi", "/proc/scsi", "/proc/asound", "/sys/firmware", "/sys/devices/virtual/powercap", "/sys/kernel/security", "/sys/kernel/debug"];

    /// <summary>Parts of /proc that stay visible but cannot be written.</summary>
    public static readonly IReadOnlyList<string> ReadOnlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"];

    /// <summary>Where a rescued container has the root that it boots otherwise.</summary>
    public const string RescuedRoot = "/mnt/instance";

    /// <summary>Tried one after the other when the spec names no init.</summary>
    private static readonly IReadOnlyList<string> DefaultInits = ["/sbin/init", "/lib/systemd/systemd", "/etc/init", "/bin/init"];

    /// <summary>Clone flags of a container. The cgroup namespace is entered later, when the parent has moved the child to its cgroup.</summary>
    public static ulong CloneFlags(LaunchSpec spec) =>
        Sched.CLONE_NEWNS | Sched.CLONE_NEWPID | Sched.CLONE_NEWUTS | Sched.CLONE_NEWIPC | Sched.CLONE_NEWNET
        | (spec.IdMap is null ? 0 : Sched.CLONE_NEWUSER);

    public static IReadOnlyList<SyscallStep> Build(LaunchSpec spec, LaunchInputs inputs) =>
    [
        .. Confinement.ForgetParent(),
        WaitForParent(inputs),
        new(Syscall.unshare, Flags(((long)Sched.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"))),
        .. EnterRoot(inputs),
        .. Confinement.BecomeUser(0, 0),
        .. Drive(spec, inputs),
        .. RescuedRootMount(inputs),
        .. DiskMounts(spec, inputs),
        .. KernelFileSystems(spec),
        .. CgroupMounts(inputs),
        .. DeviceDirectory(inputs),
        .. DriveLink(spec),
        .. Masks(spec, inputs),
        .. LeaveHost(),
        .. ConsoleTerminal(inputs),
        WaitForParent(inputs),
        .. NamesAndInterfaces(spec),
        new(Syscall.umask, 0x12 /* 022 */),
        .. Confinement.Limit(inputs),
        .. Execute(spec),
    ];

    /// <summary>The list as text, a line each.</summary>
    public static string Print(IReadOnlyList<SyscallStep> steps) => string.Join('\n', steps);

    private static SyscallStep WaitForParent(LaunchInputs inputs) =>
        new(Syscall.read, inputs.Channel, new Memory(new byte[8], "<go>"), 1) { Least = 1 }; // 0, end of file: the supervisor is gone.

    private static IEnumerable<SyscallStep> EnterRoot(LaunchInputs inputs)
    {
        yield return Mount(null, "/", null, MS_REC | MS_PRIVATE, null);
        yield return new(Syscall.move_mount, inputs.RootMount, "", Fcntl.AT_FDCWD, inputs.StagingDirectory, Flags((MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH")));
        var hostRoot = new SyscallStep(
            Syscall.openat, Fcntl.AT_FDCWD, "/", Flags((Fcntl.O_PATH, "O_PATH"), (Fcntl.O_DIRECTORY, "O_DIRECTORY"), (Fcntl.O_CLOEXEC, "O_CLOEXEC")), 0);
        yield return hostRoot;
        yield return new(Syscall.chdir, inputs.StagingDirectory);

        // pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one, where no path leads, and is reached by working directory.
        yield return new(Syscall.pivot_root, ".", ".");
        yield return new(Syscall.fchdir, new ResultOf(hostRoot));
    }

    private static IEnumerable<SyscallStep> KernelFileSystems(LaunchSpec spec)
    {
        yield return MakeDirectory("/proc");
        yield return MakeDirectory("/sys");
        yield return MakeDirectory("/dev");
        yield return Mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, null);
        yield return Mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, null);
        yield return Mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=512k");
        if (spec.Security.Nesting)
        {
            // The kernel lets an inner user namespace mount proc and sysfs only where an uncovered one can be seen.
            foreach (var type in new[] { "proc", "sysfs" })
            {
                var target = type == "proc" ? "/dev/.lxc/proc" : "/dev/.lxc/sys";
                yield return MakeDirectory("/dev/.lxc");
                yield return MakeDirectory(target);
                yield return Mount(type, target, type, MS_NOSUID | MS_NODEV | MS_NOEXEC, null);
            }
        }
    }

    /// <summary>Hierarchies seen from the container's own cgroup namespace: its cgroup is their root.</summary>
    private static IEnumerable<SyscallStep> CgroupMounts(LaunchInputs inputs)
    {
        const uint Flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;
        foreach (var mount in inputs.CgroupMounts)
        {
            if (mount.Type == "symlink")
            {
                yield return Link(mount.Source, mount.Target);
                continue;
            }

            yield return MakeDirectory(mount.Target);
            yield return Mount(mount.Source, mount.Target, mount.Type, mount.ReadOnly && mount.Type != "tmpfs" ? Flags | MS_RDONLY : Flags, mount.Data);
        }

        foreach (var mount in inputs.CgroupMounts.Where(mount => mount is { ReadOnly: true, Type: "tmpfs" }))
        {
            yield return MakeReadOnly(mount.Target);
        }
    }

    private static IEnumerable<SyscallStep> DeviceDirectory(LaunchInputs inputs)
    {
        yield return MakeDirectory("/dev/pts", 0x1ED);
        yield return MakeDirectory("/dev/shm", 0x3FF);
        yield return MakeDirectory("/dev/mqueue", 0x1ED);
        foreach (var device in inputs.Devices)
        {
            if (Path.GetDirectoryName(device) is { Length: > 0 } parent)
            {
                yield return MakeDirectory($"/dev/{parent}", 0x1ED);
            }

            yield return MakeFile($"/dev/{device}");
            yield return Mount($"dev/{device}", $"/dev/{device}", null, MS_BIND, null);
        }

        yield return Mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5,max=1024");
        yield return Mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
        yield return Mount("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, null);
        yield return Link("pts/ptmx", "/dev/ptmx");
        yield return Link("/proc/self/fd", "/dev/fd");
        yield return Link("/proc/self/fd/0", "/dev/stdin");
        yield return Link("/proc/self/fd/1", "/dev/stdout");
        yield return Link("/proc/self/fd/2", "/dev/stderr");
        yield return Link("/proc/kcore", "/dev/core");
    }

    /// <summary>What LXC calls proc:mixed and sys:mixed, and the masks. While the host's tree is the working directory.</summary>
    private static IEnumerable<SyscallStep> Masks(LaunchSpec spec, LaunchInputs inputs)
    {
        foreach (var file in inputs.LxcfsFiles)
        {
            yield return Mount($"{spec.LxcfsPath!.Trim('/')}/{file}", $"/{file}", null, MS_BIND, null);
        }

        // A boot of its own: journald and others tell boots apart by this id.
        yield return MakeFile(BootIdFile);
        var bootId = new SyscallStep(Syscall.openat, Fcntl.AT_FDCWD, BootIdFile, Flags((Fcntl.O_WRONLY, "O_WRONLY"), (Fcntl.O_CLOEXEC, "O_CLOEXEC")), 0);
        yield return bootId;
        var text = $"{inputs.BootId}\n";
        yield return new(Syscall.write, new ResultOf(bootId), new Text(text), text.Length) { Least = text.Length };
        yield return Mount("/proc/sys", "/proc/sys", null, MS_BIND, null);
        yield return Mount(BootIdFile, "/proc/sys/kernel/random/boot_id", null, MS_BIND, null);
        yield return new(Syscall.unlinkat, Fcntl.AT_FDCWD, BootIdFile, 0);

        // The settings of a network namespace are the container's own and stay writable.
        yield return Mount("/proc/sys/net", "/proc/sys/net", null, MS_BIND, null);
        yield return MakeReadOnly("/proc/sys");
        foreach (var path in inputs.ReadOnlyPaths)
        {
            yield return Mount(path, path, null, MS_BIND | MS_REC, null);
            yield return MakeReadOnly(path);
        }

        yield return Mount("/sys/devices/virtual/net", "/sys/devices/virtual/net", null, MS_BIND, null);
        yield return MakeReadOnly("/sys");
        foreach (var file in inputs.MaskedFiles)
        {
            yield return Mount("dev/null", file, null, MS_BIND, null);
        }

        foreach (var directory in inputs.MaskedDirectories)
        {
            yield return Mount("tmpfs", directory, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,mode=755");
        }
    }

    private static IEnumerable<SyscallStep> LeaveHost() =>
    [
        new(Syscall.umount2, ".", Flags((MNT_DETACH, "MNT_DETACH"))),
        new(Syscall.chdir, "/"),
    ];

    /// <summary>
    /// The console is the first terminal of the container's own devpts, so that its names are right inside and it can be checkpointed; the master goes
    /// to the supervisor. Init gets it as standard streams and not as controlling terminal: the kernel gives none to init either, a shell on the
    /// console could not take it, and its hang-up must not signal init.
    /// </summary>
    private static IEnumerable<SyscallStep> ConsoleTerminal(LaunchInputs inputs)
    {
        var master = new SyscallStep(
            Syscall.openat, Fcntl.AT_FDCWD, "/dev/pts/ptmx", Flags((Fcntl.O_RDWR, "O_RDWR"), (Fcntl.O_NOCTTY, "O_NOCTTY"), (Fcntl.O_CLOEXEC, "O_CLOEXEC")), 0);
        yield return master;
        yield return new(Syscall.dup3, new ResultOf(master), 1, 0);
        yield return new(Syscall.ioctl, 1, new Number(SysIoctl.TIOCSPTLCK, "TIOCSPTLCK"), new Memory(new byte[8], "[0]"));
        yield return new(Syscall.sendmsg, inputs.Channel, DescriptorMessage(1), Flags((SysSocket.MSG_NOSIGNAL, "MSG_NOSIGNAL")));
        var terminal = new SyscallStep(Syscall.ioctl, 1, new Number(SysIoctl.TIOCGPTPEER, "TIOCGPTPEER"), Fcntl.O_RDWR | Fcntl.O_NOCTTY | Fcntl.O_CLOEXEC);
        yield return terminal;
        yield return new(Syscall.dup3, new ResultOf(terminal), 0, 0);
        yield return new(Syscall.dup3, 0, 1, 0);
        yield return new(Syscall.dup3, 0, 2, 0);
        yield return MakeFile("/dev/console");
        yield return Mount("/dev/pts/0", "/dev/console", null, MS_BIND, null);
    }

    private static IEnumerable<SyscallStep> NamesAndInterfaces(LaunchSpec spec)
    {
        yield return new(Syscall.sethostname, spec.Hostname, Encoding.UTF8.GetByteCount(spec.Hostname));
        foreach (var name in spec.Nics.Select(nic => nic.GuestName).Prepend("lo"))
        {
            var socket = new SyscallStep(Syscall.socket, SysSocket.AF_INET, SysSocket.SOCK_DGRAM | SysSocket.SOCK_CLOEXEC, 0);
            yield return socket;
            yield return new(
                Syscall.ioctl, new ResultOf(socket), new Number(SysIoctl.SIOCSIFFLAGS, "SIOCSIFFLAGS"), InterfaceUp(name));
        }
    }

    private static IEnumerable<SyscallStep> Execute(LaunchSpec spec)
    {
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = Confinement.DefaultPath,
            ["HOME"] = "/",
            ["TERM"] = "linux",
            ["container"] = "lxc", // systemd and others know a container, and this kind, by it.
            ["container_uuid"] = spec.Id.ToString(), // systemd makes its machine id of it.
        };
        foreach (var (name, value) in spec.Environment)
        {
            environment[name] = value;
        }

        var variables = Vector([.. environment.Select(variable => $"{variable.Key}={variable.Value}")]);
        var inits = spec.Init.Count > 0 ? [spec.Init[0]] : DefaultInits;
        return inits.Select((path, i) => new SyscallStep(Syscall.execve, path, Vector(spec.Init.Count > 0 ? spec.Init : [path]), variables)
        {
            Least = i < inits.Count - 1 ? SyscallStep.AnyResult : 0,
        });
    }

    /// <summary>struct msghdr with one byte and one descriptor (SCM_RIGHTS).</summary>
    private static Memory DescriptorMessage(int descriptor)
    {
        var control = new byte[24];
        SysSocket.WriteControlHeader(control, SysSocket.ControlHeaderSize + sizeof(int));
        BitConverter.TryWriteBytes(control.AsSpan(SysSocket.ControlHeaderSize), descriptor);
        var vector = new byte[16];
        vector[8] = 1;
        var message = new byte[56];
        message[24] = 1; // msg_iovlen
        message[40] = 24; // msg_controllen
        return new Memory(
            message,
            $"{{SCM_RIGHTS, [{descriptor}]}}",
            (16, new Memory(vector, "", (0, new Memory(new byte[8], "")))),
            (32, new Memory(control, "")));
    }

    /// <summary>struct ifreq with IFF_UP.</summary>
    private static Memory InterfaceUp(string name)
    {
        var request = new byte[40];
        Encoding.ASCII.GetBytes(name, request);
        BitConverter.TryWriteBytes(request.AsSpan(16), SysIoctl.IFF_UP);
        return new Memory(request, $"{{\"{name}\", IFF_UP}}");
    }

    private const string BootIdFile = "/dev/.boot_id";

    private static SyscallStep Mount(string? source, string target, string? type, uint flags, string? data) => new(
        Syscall.mount,
        source is null ? Null : source,
        target,
        type is null ? Null : type,
        new Number(flags, MountFlags(flags)),
        data is null ? Null : data);

    private static SyscallStep MakeReadOnly(string path) =>
        Mount(null, path, null, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, null);

    /// <summary>Images have most of these folders, and a read-only root refuses: the mount that follows says what is wrong, if anything is.</summary>
    private static SyscallStep MakeDirectory(string path, int mode = 0x1ED /* 0755 */) =>
        new(Syscall.mkdirat, Fcntl.AT_FDCWD, path, mode) { Least = SyscallStep.AnyResult };

    /// <summary>An empty regular file to mount something on; device nodes cannot be made in a user namespace.</summary>
    private static SyscallStep MakeFile(string path) => new(Syscall.mknodat, Fcntl.AT_FDCWD, path, new Number(0x8000 | 0x1A4, "S_IFREG|0644"), 0);

    private static SyscallStep Link(string content, string path) => new(Syscall.symlinkat, content, Fcntl.AT_FDCWD, path);

    private static string MountFlags(uint flags)
    {
        (uint Bit, string Name)[] names =
        [
            (MS_REMOUNT, "MS_REMOUNT"), (MS_BIND, "MS_BIND"), (MS_REC, "MS_REC"), (MS_RDONLY, "MS_RDONLY"), (MS_NOSUID, "MS_NOSUID"),
            (MS_NODEV, "MS_NODEV"), (MS_NOEXEC, "MS_NOEXEC"), (MS_PRIVATE, "MS_PRIVATE"), (MS_RELATIME, "MS_RELATIME"), (MS_STRICTATIME, "MS_STRICTATIME"),
        ];
        return string.Join('|', names.Where(name => (flags & name.Bit) != 0).Select(name => name.Name));
    }
}
