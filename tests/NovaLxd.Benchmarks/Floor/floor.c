// What the kernel itself takes to bring a container up: the system calls of a launch made bare, with everything that can be prepared prepared before.
// Reads a plan (tab-separated lines, made by FloorPlan.cs) from the file in argv[1], then answers each line of standard input with the microseconds of
// one launch: from the first system call to the close of the pipe by init's exec. What a launch made is taken down outside of that time.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/sched.h>

enum { MOST = 64 };
typedef struct { const char *field[6]; } Line;
typedef struct { Line at[MOST]; int count; } Lines;
static Lines cgroups, limits, owned, cgroup_mounts, devices, masked_files, masked_folders, read_only;
static const char *lower, *base, *bridge, *staging, *host_end, *peer_end, *hostname, *mac;
static uint32_t id_base;
static struct sock_fprog filter;
static int netlink, channel[2], done[2];

static void check(long result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(errno));
        _exit(1);
    }
}

static void write_file(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    check(file, path);
    check(write(file, text, strlen(text)), path);
    close(file);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

// --- rtnetlink(7)

typedef struct { struct nlmsghdr head; struct ifinfomsg link; char rest[512]; } Message;

static struct rtattr *attribute(Message *m, int type, const void *data, int length) {
    struct rtattr *a = (void *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));
    a->rta_type = type;
    a->rta_len = RTA_LENGTH(length);
    if (length > 0) memcpy(RTA_DATA(a), data, length);
    m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
    return a;
}

static void close_nest(Message *m, struct rtattr *nest) { nest->rta_len = (char *)m + m->head.nlmsg_len - (char *)nest; }

static Message message(int type, int flags, int index) {
    Message m = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags } };
    m.link.ifi_index = index;
    return m;
}

static int ask(Message *m) {
    char answer[4096];
    check(send(netlink, m, m->head.nlmsg_len, 0), "netlink send");
    check(recv(netlink, answer, sizeof answer, 0), "netlink recv");
    struct nlmsgerr *error = NLMSG_DATA((struct nlmsghdr *)answer);
    errno = -error->error;
    return error->error;
}

static void name_and_address(Message *m, const char *name, int first_byte) {
    unsigned a[6];
    sscanf(mac, "%x:%x:%x:%x:%x:%x", a, a + 1, a + 2, a + 3, a + 4, a + 5);
    uint8_t bytes[6] = { first_byte, a[1], a[2], a[3], a[4], a[5] };
    uint32_t mtu = 1450;
    attribute(m, IFLA_IFNAME, name, strlen(name) + 1);
    attribute(m, IFLA_ADDRESS, bytes, 6);
    attribute(m, IFLA_MTU, &mtu, 4);
}

static void plug(void) {
    Message m = message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
    name_and_address(&m, host_end, 0xfe);
    struct rtattr *info = attribute(&m, IFLA_LINKINFO, 0, 0);
    attribute(&m, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = attribute(&m, IFLA_INFO_DATA, 0, 0);
    struct rtattr *peer = attribute(&m, VETH_INFO_PEER, 0, 0);
    memset((char *)&m + m.head.nlmsg_len, 0, sizeof(struct ifinfomsg));
    m.head.nlmsg_len += sizeof(struct ifinfomsg);
    name_and_address(&m, peer_end, 0xfa);
    close_nest(&m, peer);
    close_nest(&m, data);
    close_nest(&m, info);
    check(ask(&m), "veth");
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", host_end);
    if (access(path, F_OK) == 0) write_file(path, "1");
    int index = if_nametoindex(host_end);
    uint32_t master = if_nametoindex(bridge);
    m = message(RTM_NEWLINK, 0, index);
    attribute(&m, IFLA_MASTER, &master, 4);
    check(ask(&m), "bridge");
    m = message(RTM_NEWLINK, 0, index);
    m.link.ifi_flags = m.link.ifi_change = IFF_UP;
    check(ask(&m), "up");
}

static void move_in(int network) {
    Message m = message(RTM_NEWLINK, 0, if_nametoindex(peer_end));
    attribute(&m, IFLA_NET_NS_FD, &network, 4);
    name_and_address(&m, "eth0", 0xfa);
    check(ask(&m), "move");
}

// --- the child

static void mount_at(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    if (mount(source, target, type, flags, data) < 0) {
        fprintf(stderr, "mount %s on %s: %s\n", source ? source : "-", target, strerror(errno));
        _exit(1);
    }
}

static void make_read_only(const char *path) {
    mount_at(0, path, 0, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
}

static void touch(const char *path) { close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644)); }

static void devices_of_its_own(void) {
    char target[128], source[128];
    mkdir("/dev/pts", 0755);
    mkdir("/dev/shm", 01777);
    mkdir("/dev/mqueue", 0755);
    mkdir("/dev/net", 0755);
    for (int i = 0; i < devices.count; i++) {
        snprintf(target, sizeof target, "/dev/%s", devices.at[i].field[0]);
        snprintf(source, sizeof source, "dev/%s", devices.at[i].field[0]);
        touch(target);
        mount_at(source, target, 0, MS_BIND, 0);
    }
    mount_at("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5,max=1024");
    mount_at("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_at("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
    static const char *links[][2] = { { "pts/ptmx", "/dev/ptmx" }, { "/proc/self/fd", "/dev/fd" }, { "/proc/self/fd/0", "/dev/stdin" },
        { "/proc/self/fd/1", "/dev/stdout" }, { "/proc/self/fd/2", "/dev/stderr" }, { "/proc/kcore", "/dev/core" } };
    for (unsigned i = 0; i < sizeof links / sizeof *links; i++) check(symlink(links[i][0], links[i][1]), links[i][1]);
}

static void masks(void) {
    touch("/dev/.boot_id");
    write_file("/dev/.boot_id", "6f1d0b4e-5f1c-4a8e-9d53-0c6f0b0f4a11\n");
    mount_at("/proc/sys", "/proc/sys", 0, MS_BIND, 0);
    mount_at("/dev/.boot_id", "/proc/sys/kernel/random/boot_id", 0, MS_BIND, 0);
    unlink("/dev/.boot_id");
    mount_at("/proc/sys/net", "/proc/sys/net", 0, MS_BIND, 0);
    make_read_only("/proc/sys");
    for (int i = 0; i < read_only.count; i++) {
        mount_at(read_only.at[i].field[0], read_only.at[i].field[0], 0, MS_BIND | MS_REC, 0);
        make_read_only(read_only.at[i].field[0]);
    }
    mount_at("/sys/devices/virtual/net", "/sys/devices/virtual/net", 0, MS_BIND, 0);
    make_read_only("/sys");
    for (int i = 0; i < masked_files.count; i++) mount_at("dev/null", masked_files.at[i].field[0], 0, MS_BIND, 0);
    for (int i = 0; i < masked_folders.count; i++)
        mount_at("tmpfs", masked_folders.at[i].field[0], "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,mode=755");
}

static void console(void) {
    int unlock = 0, master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    check(master, "ptmx");
    check(ioctl(master, TIOCSPTLCK, &unlock), "TIOCSPTLCK");
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec vector = { &byte, 1 };
    struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &master, sizeof(int));
    check(sendmsg(channel[1], &message, MSG_NOSIGNAL), "console");
    int terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    check(terminal, "TIOCGPTPEER");
    for (int i = 0; i < 3; i++) dup3(terminal, i, 0);
    touch("/dev/console");
    mount_at("/dev/pts/0", "/dev/console", 0, MS_BIND, 0);
}

static void up(const char *name) {
    struct ifreq request = { 0 };
    strcpy(request.ifr_name, name);
    request.ifr_flags = IFF_UP;
    check(ioctl(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), SIOCSIFFLAGS, &request), name);
}

static void child(int root) {
    char go;
    setsid();
    for (int i = 1; i < 32; i++) signal(i, SIG_DFL);
    if (read(channel[1], &go, 1) != 1) _exit(1);
    check(unshare(CLONE_NEWCGROUP), "cgroup namespace");
    mount_at(0, "/", 0, MS_REC | MS_PRIVATE, 0);
    check(syscall(SYS_move_mount, root, "", AT_FDCWD, staging, MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
    int host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    check(chdir(staging), "chdir");
    check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    check(fchdir(host), "fchdir");
    syscall(SYS_setgroups, 0, 0);
    check(syscall(SYS_setresgid, 0, 0, 0), "gid");
    check(syscall(SYS_setresuid, 0, 0, 0), "uid");
    mount_at("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
    mount_at("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
    mount_at("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=512k");
    for (int i = 0; i < cgroup_mounts.count; i++) {
        const char *const *f = cgroup_mounts.at[i].field; // target type source data ro
        if (!strcmp(f[1], "symlink")) {
            check(symlink(f[2], f[0]), f[0]);
            continue;
        }
        mkdir(f[0], 0755);
        int tmpfs = !strcmp(f[1], "tmpfs");
        mount_at(f[2], f[0], f[1], MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME | (*f[4] == '1' && !tmpfs ? MS_RDONLY : 0), f[3]);
    }
    if (cgroup_mounts.count > 1) make_read_only(cgroup_mounts.at[0].field[0]);
    devices_of_its_own();
    masks();
    check(umount2(".", MNT_DETACH), "old root");
    check(chdir("/"), "chdir /");
    console();
    sethostname(hostname, strlen(hostname));
    up("lo");
    up("eth0");
    umask(022);
    struct rlimit files = { 1024, 0 }, old;
    getrlimit(RLIMIT_NOFILE, &old);
    files.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    static const int dropped[] = { 16, 17, 25, 32, 33 };
    for (int i = 0; i < 5; i++) prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0);
    syscall(SYS_close_range, 3, ~0U, 4);
    check(syscall(SYS_seccomp, 1, 0, &filter), "seccomp");
    char *const arguments[] = { "/sbin/init", 0 };
    char *const variables[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TERM=linux", "container=lxc", 0 };
    execve("/sbin/init", arguments, variables);
    check(-1, "exec");
}

// --- the parent

static void map_ids(int pid) {
    char path[64], line[64];
    snprintf(line, sizeof line, "0 %u 65536\n", id_base);
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
    write_file(path, line);
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    write_file(path, line);
}

static int clone_child(unsigned long flags, int *pidfd) {
    struct clone_args args = { .flags = flags | CLONE_PIDFD, .pidfd = (uintptr_t)pidfd, .exit_signal = SIGCHLD };
    int pid = syscall(SYS_clone3, &args, sizeof args);
    check(pid, "clone3");
    return pid;
}

static int open_namespace(int pid, const char *kind) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kind);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    check(file, path);
    return file;
}

static void end(int pid, int pidfd) {
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
    waitpid(pid, 0, 0);
    close(pidfd);
}

static int id_map_namespace(void) {
    int pidfd, pid = clone_child(CLONE_NEWUSER, &pidfd);
    if (pid == 0) for (;;) pause();
    map_ids(pid);
    int file = open_namespace(pid, "user");
    end(pid, pidfd);
    return file;
}

static int root_mount(const char *upper, const char *work) {
    int users = id_map_namespace(), tree = syscall(SYS_open_tree, AT_FDCWD, lower, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    check(tree, lower);
    struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = users };
    check(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes), "idmap");
    close(users);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", tree);
    int context = syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    check(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", "overlay", 0), "source");
    check(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "lowerdir", path, 0), "lowerdir");
    check(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "upperdir", upper, 0), "upperdir");
    check(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "workdir", work, 0), "workdir");
    check(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0), "overlay");
    int root = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    check(root, "fsmount");
    close(context);
    close(tree);
    return root;
}

static void make_cgroups(void) {
    for (int i = 0; i < cgroups.count; i++) check(mkdir(cgroups.at[i].field[0], 0755), cgroups.at[i].field[0]);
    for (int i = 0; i < limits.count; i++) write_file(limits.at[i].field[0], limits.at[i].field[1]);
    for (int i = 0; i < owned.count; i++) (void)!chown(owned.at[i].field[0], id_base, id_base);
}

static void join(int pid) {
    char path[256], text[16];
    snprintf(text, sizeof text, "%d", pid);
    for (int i = 0; i < cgroups.count; i++) {
        snprintf(path, sizeof path, "%s/cgroup.procs", cgroups.at[i].field[0]);
        write_file(path, text);
    }
}

static double launch(int number) {
    char upper[256], work[256], byte;
    snprintf(upper, sizeof upper, "%s/upper-%d", base, number);
    snprintf(work, sizeof work, "%s/work-%d", base, number);
    mkdir(upper, 0755);
    mkdir(work, 0755);
    check(chown(upper, id_base, id_base), upper);
    check(chown(work, id_base, id_base), work);

    double begun = now();
    plug();
    int root = root_mount(upper, work);
    make_cgroups();
    check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), "socketpair");
    check(pipe2(done, O_CLOEXEC), "pipe");
    int pidfd;
    int pid = clone_child(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUSER, &pidfd);
    if (pid == 0) child(root);
    close(done[1]);
    close(channel[1]);
    close(root);
    map_ids(pid);
    join(pid);
    int network = open_namespace(pid, "net");
    move_in(network);
    check(write(channel[0], "1", 1), "go");
    check(read(done[0], &byte, 1), "wait");
    double took = now() - begun;

    if (waitpid(pid, 0, WNOHANG) != 0) {
        fprintf(stderr, "init did not run\n");
        _exit(1);
    }
    end(pid, pidfd);
    close(network);
    close(channel[0]);
    close(done[0]);
    Message m = message(RTM_DELLINK, 0, if_nametoindex(host_end));
    if (m.link.ifi_index > 0) ask(&m);
    for (int i = cgroups.count - 1; i >= 0; i--)
        for (int tries = 0; rmdir(cgroups.at[i].field[0]) < 0 && errno == EBUSY && tries < 1000; tries++) usleep(1000);
    return took;
}

// --- the plan

static void add(Lines *lines, char **rest) {
    for (int i = 0; i < 6; i++) {
        char *field = strsep(rest, "\t");
        lines->at[lines->count].field[i] = field ? field : "";
    }
    if (++lines->count == MOST) {
        fprintf(stderr, "plan too long\n");
        exit(1);
    }
}

static void read_filter(const char *path) {
    static struct sock_filter instructions[4096];
    FILE *file = fopen(path, "r");
    filter.filter = instructions;
    filter.len = file ? fread(instructions, sizeof *instructions, 4096, file) : 0;
    if (file) fclose(file);
}

static void read_plan(const char *path) {
    FILE *file = fopen(path, "r");
    static const struct { const char *key; const char **value; } values[] = { { "lower", &lower }, { "base", &base }, { "bridge", &bridge },
        { "staging", &staging }, { "host", &host_end }, { "peer", &peer_end }, { "hostname", &hostname }, { "mac", &mac } };
    static const struct { const char *key; Lines *lines; } lists[] = { { "cgroup", &cgroups }, { "limit", &limits }, { "owned", &owned },
        { "cgroupmount", &cgroup_mounts }, { "device", &devices }, { "maskfile", &masked_files }, { "maskfolder", &masked_folders }, { "readonly", &read_only } };
    char line[1024];
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *rest = strdup(line), *key = strsep(&rest, "\t");
        for (unsigned i = 0; i < sizeof values / sizeof *values; i++) if (!strcmp(key, values[i].key)) *values[i].value = rest;
        for (unsigned i = 0; i < sizeof lists / sizeof *lists; i++) if (!strcmp(key, lists[i].key)) add(lists[i].lines, &rest);
        if (!strcmp(key, "filter")) read_filter(rest);
        if (!strcmp(key, "ids")) id_base = strtoul(rest, 0, 10);
    }
    if (file) fclose(file);
}

int main(int count, char **arguments) {
    char line[16];
    if (count != 2) return 2;
    read_plan(arguments[1]);
    netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    for (int number = 0; fgets(line, sizeof line, stdin); number++) {
        printf("%.0f\n", launch(number));
        fflush(stdout);
    }
    return 0;
}
