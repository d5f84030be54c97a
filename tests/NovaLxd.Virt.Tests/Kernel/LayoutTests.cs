using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Tests.Kernel;

/// <summary>The C compiler is asked whether our numbers, sizes and offsets are the kernel's: a file of static assertions is compiled, for each architecture there is a stub for.</summary>
public sealed class LayoutTests : IDisposable
{
    private const string Headers = """
        #define _GNU_SOURCE
        #include <errno.h>
        #include <fcntl.h>
        #include <net/if.h>
        #include <sched.h>
        #include <signal.h>
        #include <stddef.h>
        #include <sys/epoll.h>
        #include <sys/ioctl.h>
        #include <sys/mman.h>
        #include <sys/prctl.h>
        #include <sys/resource.h>
        #include <sys/socket.h>
        #include <sys/un.h>
        #include <sys/wait.h>
        #include <linux/close_range.h>
        #include <linux/filter.h>
        #include <linux/mount.h>
        #include <linux/netlink.h>
        #include <linux/rtnetlink.h>
        #include <linux/sched.h>
        #include <linux/seccomp.h>
        #include <linux/sockios.h>
        #include <asm/ioctls.h>
        #include <asm/unistd.h>
        #define CHECK(what, value) _Static_assert((unsigned long long)(what) == (unsigned long long)(value), #what)
        """;

    /// <summary>In sys/mount.h, which cannot be had together with linux/mount.h in glibc 2.36.</summary>
    private const string MountHeaders = """
        #include <sys/mount.h>
        #define CHECK(what, value) _Static_assert((unsigned long long)(what) == (unsigned long long)(value), #what)
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("nlt-layout-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("gcc", Architecture.X64)]
    [InlineData("aarch64-linux-gnu-gcc", Architecture.Arm64)]
    public async Task NumbersOfSystemCallsAreTheKernels(string compiler, object architecture)
    {
        var checks = Enum.GetValues<Syscall>().Select(call => ($"__NR_{call}", (long)SyscallNumbers.Of(call, (Architecture)architecture)));
        await CompileAsync(compiler, Headers, checks);
    }

    [Fact]
    public async Task FlagsAreTheKernels() => await CompileAsync("gcc", Headers, [.. Flags(), .. Structures()]);

    [Fact]
    public async Task MountFlagsAreTheKernels() => await CompileAsync("gcc", MountHeaders,
    [
        (nameof(SysMount.MS_RDONLY), SysMount.MS_RDONLY), (nameof(SysMount.MS_NOSUID), SysMount.MS_NOSUID), (nameof(SysMount.MS_NODEV), SysMount.MS_NODEV),
        (nameof(SysMount.MS_NOEXEC), SysMount.MS_NOEXEC), (nameof(SysMount.MS_REMOUNT), SysMount.MS_REMOUNT), (nameof(SysMount.MS_BIND), SysMount.MS_BIND),
        (nameof(SysMount.MS_REC), SysMount.MS_REC), (nameof(SysMount.MS_PRIVATE), SysMount.MS_PRIVATE),
        (nameof(SysMount.MS_RELATIME), SysMount.MS_RELATIME), (nameof(SysMount.MS_STRICTATIME), SysMount.MS_STRICTATIME), (nameof(SysMount.MNT_DETACH), SysMount.MNT_DETACH),
    ]);

    [Fact]
    public async Task AWrongNumberIsNoticed()
    {
        var failure = await Assert.ThrowsAsync<CommandFailedException>(() => CompileAsync("gcc", Headers, [("O_CLOEXEC", Fcntl.O_CLOEXEC + 1)]));
        Assert.Contains("O_CLOEXEC", failure.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<(string, long)> Flags() =>
    [
        ("ENOENT", Errno.ENOENT), ("ESRCH", Errno.ESRCH), ("EINTR", Errno.EINTR), ("EIO", Errno.EIO), ("ECHILD", Errno.ECHILD), ("EAGAIN", Errno.EAGAIN), ("ENODEV", Errno.ENODEV),
        ("EPIPE", Errno.EPIPE), ("ECONNRESET", Errno.ECONNRESET), ("ENOTCONN", Errno.ENOTCONN), ("ECONNREFUSED", Errno.ECONNREFUSED),
        ("O_WRONLY", Fcntl.O_WRONLY), ("O_RDWR", Fcntl.O_RDWR), ("O_NOCTTY", Fcntl.O_NOCTTY), ("O_NONBLOCK", Fcntl.O_NONBLOCK), ("O_CLOEXEC", Fcntl.O_CLOEXEC),
        ("O_PATH", Fcntl.O_PATH), ("AT_EMPTY_PATH", Fcntl.AT_EMPTY_PATH), ("AT_FDCWD", Fcntl.AT_FDCWD), ("F_SETFD", Fcntl.F_SETFD), ("F_SETFL", Fcntl.F_SETFL), ("F_DUPFD_CLOEXEC", 1030),
        ("CLONE_VM", (long)Sched.CLONE_VM), ("CLONE_PIDFD", (long)Sched.CLONE_PIDFD), ("CLONE_NEWNS", (long)Sched.CLONE_NEWNS), ("CLONE_NEWCGROUP", (long)Sched.CLONE_NEWCGROUP),
        ("CLONE_NEWUTS", (long)Sched.CLONE_NEWUTS), ("CLONE_NEWIPC", (long)Sched.CLONE_NEWIPC), ("CLONE_NEWUSER", (long)Sched.CLONE_NEWUSER), ("CLONE_NEWPID", (long)Sched.CLONE_NEWPID),
        ("CLONE_NEWNET", (long)Sched.CLONE_NEWNET), ("CLONE_CLEAR_SIGHAND", (long)Sched.CLONE_CLEAR_SIGHAND), ("CLONE_INTO_CGROUP", (long)Sched.CLONE_INTO_CGROUP),
        ("PROT_EXEC", SysMman.PROT_EXEC), ("MAP_ANONYMOUS", SysMman.MAP_ANONYMOUS), ("P_PIDFD", SysWait.P_PIDFD), ("WEXITED", SysWait.WEXITED), ("WNOHANG", SysWait.WNOHANG),
        ("CLD_EXITED", SysWait.CLD_EXITED), ("TIOCSPTLCK", SysIoctl.TIOCSPTLCK), ("TIOCGPTPEER", SysIoctl.TIOCGPTPEER), ("SIOCSIFFLAGS", SysIoctl.SIOCSIFFLAGS), ("IFF_UP", SysIoctl.IFF_UP),
        ("PR_SET_DUMPABLE", SysPrctl.PR_SET_DUMPABLE), ("PR_CAPBSET_DROP", SysPrctl.PR_CAPBSET_DROP), ("PR_SET_CHILD_SUBREAPER", SysPrctl.PR_SET_CHILD_SUBREAPER),
        ("SIGUSR2", Signal.SIGUSR2), ("SIGPWR", Signal.SIGPWR), ("SIGCHLD", Signal.SIGCHLD), ("SIGSTOP", Signal.SIGSTOP), ("RLIMIT_NOFILE", 7), ("SECCOMP_SET_MODE_FILTER", 1),
        ("SIG_SETMASK", 2), ("CLOSE_RANGE_CLOEXEC", 4), ("EPOLLIN", SysEpoll.EPOLLIN), ("EPOLLOUT", SysEpoll.EPOLLOUT), ("EPOLL_CTL_MOD", SysEpoll.EPOLL_CTL_MOD),
        ("AF_NETLINK", SysSocket.AF_NETLINK), ("SOCK_SEQPACKET", SysSocket.SOCK_SEQPACKET), ("SOCK_CLOEXEC", SysSocket.SOCK_CLOEXEC), ("SO_SNDBUF", SysSocket.SO_SNDBUF), ("SO_PEERCRED", SysSocket.SO_PEERCRED),
        ("SCM_RIGHTS", SysSocket.SCM_RIGHTS), ("MSG_TRUNC", SysSocket.MSG_TRUNC), ("MSG_NOSIGNAL", SysSocket.MSG_NOSIGNAL), ("MSG_CMSG_CLOEXEC", SysSocket.MSG_CMSG_CLOEXEC),
        ("FSOPEN_CLOEXEC", SysMount.FSOPEN_CLOEXEC), ("FSMOUNT_CLOEXEC", SysMount.FSMOUNT_CLOEXEC), ("FSCONFIG_SET_STRING", SysMount.FSCONFIG_SET_STRING), ("FSCONFIG_CMD_CREATE", SysMount.FSCONFIG_CMD_CREATE),
        ("OPEN_TREE_CLONE", SysMount.OPEN_TREE_CLONE), ("OPEN_TREE_CLOEXEC", SysMount.OPEN_TREE_CLOEXEC), ("MOVE_MOUNT_F_EMPTY_PATH", SysMount.MOVE_MOUNT_F_EMPTY_PATH),
        ("MOUNT_ATTR_RDONLY", (long)SysMount.MOUNT_ATTR_RDONLY), ("MOUNT_ATTR_NOSUID", (long)SysMount.MOUNT_ATTR_NOSUID),
        ("MOUNT_ATTR_NODEV", (long)SysMount.MOUNT_ATTR_NODEV), ("MOUNT_ATTR_NOEXEC", (long)SysMount.MOUNT_ATTR_NOEXEC), ("MOUNT_ATTR_IDMAP", (long)SysMount.MOUNT_ATTR_IDMAP),
        ("RTM_NEWLINK", 16), ("RTM_GETLINK", 18), ("NLM_F_REQUEST", 1), ("NLM_F_ACK", 4), ("NLMSG_ERROR", 2), ("IFLA_ADDRESS", 1), ("IFLA_IFNAME", 3), ("IFLA_MTU", 4), ("IFLA_LINK", 5),
        ("IFLA_NET_NS_FD", 28), ("IFLA_LINK_NETNSID", 37), ("sizeof(struct nlmsghdr)", 16), ("sizeof(struct ifinfomsg)", 16), ("offsetof(struct ifinfomsg, ifi_index)", 4),
    ];

    private static IEnumerable<(string, long)> Structures() =>
    [
        ("sizeof(struct clone_args)", Unsafe.SizeOf<Sched.clone_args>()), ("offsetof(struct clone_args, cgroup)", Marshal.OffsetOf<Sched.clone_args>("cgroup")),
        ("offsetof(struct clone_args, exit_signal)", Marshal.OffsetOf<Sched.clone_args>("exit_signal")), ("offsetof(struct clone_args, stack)", Marshal.OffsetOf<Sched.clone_args>("stack")),
        ("sizeof(struct mount_attr)", Unsafe.SizeOf<SysMount.mount_attr>()), ("offsetof(struct mount_attr, userns_fd)", Marshal.OffsetOf<SysMount.mount_attr>("userns_fd")),
        ("sizeof(struct msghdr)", Unsafe.SizeOf<SysSocket.msghdr>()), ("offsetof(struct msghdr, msg_control)", Marshal.OffsetOf<SysSocket.msghdr>("msg_control")),
        ("offsetof(struct msghdr, msg_iov)", 16), ("offsetof(struct msghdr, msg_iovlen)", 24), ("offsetof(struct msghdr, msg_controllen)", 40), ("offsetof(struct msghdr, msg_flags)", Marshal.OffsetOf<SysSocket.msghdr>("msg_flags")),
        ("sizeof(struct iovec)", Unsafe.SizeOf<SysSocket.iovec>()), ("sizeof(struct ucred)", Unsafe.SizeOf<SysSocket.ucred>()), ("sizeof(struct cmsghdr)", SysSocket.ControlHeaderSize),
        ("offsetof(struct cmsghdr, cmsg_level)", 8), ("offsetof(struct cmsghdr, cmsg_type)", 12), ("CMSG_LEN(4)", SysSocket.ControlHeaderSize + 4), ("CMSG_SPACE(4)", 24),
        ("sizeof(struct epoll_event)", SysEpoll.EventSize), ("offsetof(struct epoll_event, data)", SysEpoll.EventSize - 8),
        ("offsetof(siginfo_t, si_code)", 8), ("offsetof(siginfo_t, si_pid)", 16), ("offsetof(siginfo_t, si_status)", 24),
        ("sizeof(struct ifreq)", 40), ("offsetof(struct ifreq, ifr_flags)", 16), ("sizeof(struct sock_filter)", 8), ("sizeof(struct sock_fprog)", 16), ("offsetof(struct sock_fprog, filter)", 8),
        ("offsetof(struct sockaddr_un, sun_path)", 2), ("sizeof(struct sockaddr_un)", 110), ("sizeof(struct rlimit)", 16),
        ("_IOWR(0xFF, 11, char[64])", SysPidfd.PIDFD_GET_INFO), ("64", Unsafe.SizeOf<SysPidfd.pidfd_info>()),
    ];

    private async Task CompileAsync(string compiler, string headers, IEnumerable<(string What, long Value)> checks)
    {
        var source = new StringBuilder(headers).AppendLine();
        foreach (var (what, value) in checks)
        {
            source.AppendLine(CultureInfo.InvariantCulture, $"CHECK({what}, {value}LL);");
        }

        var path = Path.Combine(_folder, "layout.c");
        await File.WriteAllTextAsync(path, source.ToString());
        Assert.True(File.Exists($"/usr/bin/{compiler}"), $"{compiler} is missing: apt-get install gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross");
        await CommandRunner.RunAsync([compiler, "-c", "-o", "/dev/null", path], CancellationToken.None);
    }
}
