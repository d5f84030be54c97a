using NovaLxd.Virt;
using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Host;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// One try to bring a container's init to its first instruction. <see cref="Begin"/> does the parent's part up to the word "go"; the child then works by
/// itself, and its error pipe tells how it went.
/// </summary>
internal sealed class LaunchAttempt : IDisposable
{
    private readonly SupervisorContext _context;
    private readonly LaunchSpec _spec;
    private readonly ChildProcess _child;
    private readonly FileDescriptor _channel;
    private readonly FileDescriptor? _oldNetwork;

    private LaunchAttempt(
        SupervisorContext context, LaunchSpec spec, ChildProcess child, FileDescriptor channel, ContainerCgroup cgroup, FileDescriptor? oldNetwork)
    {
        _context = context;
        _spec = spec;
        _child = child;
        _channel = channel;
        _oldNetwork = oldNetwork;
        Cgroup = cgroup;
        Identity = ProcessIdentity.Of(child.Pid) ?? throw new LaunchFailedException("The container's first process was gone before it began.");
    }

    public ContainerCgroup Cgroup { get; }

    public ProcessIdentity Identity { get; }

    public FileDescriptor Pidfd => _child.Pidfd;

    public FileDescriptor Errors => _child.Errors;

    public FileDescriptor? Network { get; private set; }

    /// <summary>
    /// 1 root mounts, drive and disks, 2 cgroup with limits, 3 channel, 4 clone, 5 id maps, 6 into the cgroup, 7 <paramref name="cloned"/> (the record: from here on a
    /// successor finds the process), 8 go, 9 interfaces, while the child mounts, 10 go.
    /// </summary>
    /// <param name="oldNetwork">Where the interfaces are when the guest has rebooted; not owned.</param>
    /// <exception cref="LaunchFailedException">Nothing is left.</exception>
    public static LaunchAttempt Begin(SupervisorContext context, LaunchSpec spec, FileDescriptor? oldNetwork, Action<LaunchAttempt> cloned)
    {
        ContainerCgroup? cgroup = null;
        LaunchAttempt? attempt = null;
        var disks = new List<FileDescriptor>();
        try
        {
            using var root = RootMount.Create(context.Stub, spec.Root, spec.IdMap, spec.Security.ReadOnlyRoot);
            using var rescued = spec.RescuedRoot is null ? null : RootMount.Create(context.Stub, spec.RescuedRoot, spec.IdMap, readOnly: false);
            using var drive = spec.Drive is null ? null : RootMount.CreateReadOnly(context.Stub, spec.Drive.Layers, spec.IdMap);
            disks.AddRange(spec.Disks.Select(disk => disk.Create(context.Stub, spec.IdMap)));
            cgroup = context.Cgroups.Create(spec.CgroupParent, spec.Name, spec.Limits, spec.IdMap);
            foreach (var sentence in cgroup.Unenforced)
            {
                context.Log.Warning($"{spec.Name}: {sentence}");
            }

            attempt = Clone(context, spec, new Mounts(root, rescued, drive, disks), cgroup, oldNetwork);
            attempt.Prepare();
            cloned(attempt);
            attempt.Go();
            attempt.MoveInterfaces();
            attempt.Go();
            return attempt;
        }
        catch (Exception e)
        {
            if (attempt is not null)
            {
                attempt.Abandon();
            }
            else
            {
                Remove(cgroup, context.Log);
            }

            if (e is LaunchFailedException or ContainerStateException)
            {
                throw;
            }

            if (e is not (KernelException or IOException))
            {
                context.Log.Error($"{spec.Name}: {e}"); // Nobody foresaw it; whoever waits for the launch is answered all the same.
            }

            throw new LaunchFailedException($"{spec.Name} could not be launched: {e.Message}", e);
        }
        finally
        {
            disks.ForEach(disk => disk.Dispose());
        }
    }

    /// <returns>False: still under way.</returns>
    /// <param name="terminal">The console's master when init runs.</param>
    /// <param name="failure">Why it does not.</param>
    public bool TryFinish(out FileDescriptor? terminal, out LaunchFailedException? failure)
    {
        terminal = null;
        failure = null;
        if (!_child.TryFinish(out var step))
        {
            return false;
        }

        var descriptors = new List<FileDescriptor>();
        if (step is null)
        {
            Fcntl.SetNonBlocking(_channel.Number);
            SysSocket.Receive(_channel.Number, new byte[8], descriptors);
        }

        terminal = descriptors.FirstOrDefault();
        failure = step is { Call: "execve", Errno: Errno.ENOENT or Errno.ENOTDIR or Errno.EACCES or Errno.ENOEXEC }
            ? new NoInitException($"{_spec.Name} could not be launched: its root file system has no init that can be executed ({step.Message}).", step)
            : step is { Call: "openat2" } ? new LaunchFailedException(
                $"{_spec.Name} could not be launched: a folder of its root on which a disk is to be mounted is no folder, or a link that leads nowhere inside ({step.Message}).", step)
            : step is not null ? new LaunchFailedException($"{_spec.Name} could not be launched: {step.Message}", step)
            : terminal is null ? new LaunchFailedException($"{_spec.Name} could not be launched: it was killed before its init ran (its memory limit may be too small).")
            : null;
        return true;
    }

    /// <summary>Kills the child, brings the interfaces home and removes the cgroup. Does not fail: whoever waits for the launch is told why that failed.</summary>
    public void Abandon()
    {
        SysPidfd.SendSignal(Pidfd, Signal.SIGKILL);
        SysWait.WaitForExit(Pidfd, block: true);
        Pidfd.Dispose();
        foreach (var network in new[] { Network, _oldNetwork }.OfType<FileDescriptor>())
        {
            BringHome(_spec, network, _context.Log);
        }

        Network?.Dispose();
        Remove(Cgroup, _context.Log);
        Dispose();
    }

    /// <summary>One that stays is made anew by the next launch.</summary>
    private static void Remove(ContainerCgroup? cgroup, Log log)
    {
        try
        {
            cgroup?.Remove();
        }
        catch (Exception e) when (e is KernelException or IOException)
        {
            log.Warning($"The cgroup {cgroup!.Path} could not be removed: {e.Message}");
        }
    }

    /// <summary>Moves the guest ends back to where they wait for a launch. What the guest has deleted is gone.</summary>
    public static void BringHome(LaunchSpec spec, FileDescriptor network, Log log)
    {
        using var own = NicMover.OpenOwnNamespace();
        foreach (var nic in spec.Nics)
        {
            try
            {
                NicMover.MoveOn(nic, network, own, nic.PeerDevice);
            }
            catch (KernelException e)
            {
                log.Warning($"{spec.Name}: {nic.PeerDevice} could not be brought back to the host: {e.Message}");
            }
        }
    }

    /// <summary>Ends the attempt's own things; process, namespace and cgroup are the guest's.</summary>
    public void Dispose()
    {
        _channel.Dispose();
        _child.Dispose();
    }

    private static LaunchAttempt Clone(
        SupervisorContext context, LaunchSpec spec, Mounts mounts, ContainerCgroup cgroup, FileDescriptor? oldNetwork)
    {
        var (ours, childs) = SysSocket.socketpair(SysSocket.AF_UNIX, SysSocket.SOCK_SEQPACKET | SysSocket.SOCK_CLOEXEC);
        using (childs)
        {
            using var unified = OwnUnified(cgroup);
            var steps = LaunchPlan.Build(spec, Inputs(context, spec, mounts, childs.Number, cgroup));
            int[] kept = [.. mounts.Numbers, childs.Number];
            return new LaunchAttempt(
                context, spec, ChildProcess.Start(context.Stub, steps, kept, LaunchPlan.CloneFlags(spec), unified), ours, cgroup, oldNetwork);
        }
    }

    private static LaunchInputs Inputs(SupervisorContext context, LaunchSpec spec, Mounts mounts, int channel, ContainerCgroup cgroup) => new()
    {
        RootMount = mounts.Root.Number,
        RescuedRootMount = mounts.Rescued?.Number,
        DriveMount = mounts.Drive?.Number,
        DiskMounts = [.. mounts.Disks.Select(disk => disk.Number)],
        Channel = channel,
        StagingDirectory = context.StagingDirectory,
        Devices = context.Host.Devices,
        MaskedFiles = context.Host.MaskedFiles,
        MaskedDirectories = context.Host.MaskedDirectories,
        ReadOnlyPaths = context.Host.ReadOnlyPaths,
        BootId = Guid.NewGuid(),
        LxcfsFiles = HostFacts.FindLxcfsFiles(spec.LxcfsPath),
        CgroupMounts = cgroup.GuestMounts,
        OpenFilesLimit = context.Host.OpenFilesLimit,
        DroppedCapabilities = Capabilities.Bounding(spec.Security),
        Seccomp = spec.SeccompFilter ?? SeccompProfile.Compile(spec.Security),
        AppArmorProfile = AppArmor.LoadedProfile(),
    };

    private void Prepare()
    {
        if (_spec.IdMap is not null)
        {
            IdMapNamespace.WriteMaps(_child.Pid, _spec.IdMap);
        }

        if (!BornInCgroup(Cgroup))
        {
            Cgroup.Join(_child.Pid);
        }

        Network = NicMover.TryOpenNamespace(_child.Pid) ?? throw new LaunchFailedException($"{_spec.Name} could not be launched: it was killed before its init ran.");
    }

    /// <summary>The child may have failed meanwhile and not hear it: its error pipe tells why.</summary>
    private void Go()
    {
        try
        {
            SysSocket.Send(_channel.Number, [1]);
        }
        catch (KernelException e) when (SysSocket.IsPeerGone(e))
        {
            _context.Log.Warning($"{_spec.Name}: the first process ended before its interfaces were there");
        }
    }

    private static FileDescriptor? OwnUnified(ContainerCgroup cgroup) =>
        BornInCgroup(cgroup) && cgroup.OpenUnifiedDirectory() is { } number ? new FileDescriptor(number) : null;

    /// <summary>Where v2 is all there is, the kernel puts the child there as it is cloned; a move takes a lock that all forks of the host wait for.</summary>
    private static bool BornInCgroup(ContainerCgroup cgroup) => cgroup.Tree.Hierarchies is [{ Unified: true }];

    private void MoveInterfaces()
    {
        foreach (var nic in _spec.Nics)
        {
            if (_oldNetwork is null)
            {
                NicMover.MoveIn(nic, Network!);
            }
            else if (!NicMover.MoveOn(nic, _oldNetwork, Network!, nic.GuestName))
            {
                _context.Log.Warning($"{_spec.Name}: {nic.GuestName} ({nic.HostDevice}) was deleted by the guest and stays away over its reboot");
            }
        }
    }

    /// <summary>Detached mounts that the child takes along.</summary>
    private readonly record struct Mounts(FileDescriptor Root, FileDescriptor? Rescued, FileDescriptor? Drive, IReadOnlyList<FileDescriptor> Disks)
    {
        public IEnumerable<int> Numbers => new[] { Root, Rescued, Drive }.OfType<FileDescriptor>().Concat(Disks).Select(mount => mount.Number);
    }
}
