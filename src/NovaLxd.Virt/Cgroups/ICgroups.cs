using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Cgroups;

/// <summary>
/// The control groups of this host, whatever their versions. A container has one cgroup of the same path in every hierarchy; the limits go to
/// whichever hierarchy has the controller. Paths are relative to the hierarchies' mount points ("novalxd/instance-0000002a").
/// </summary>
internal interface ICgroups
{
    /// <summary>"v1": no cgroup2 mount; "hybrid": both; "v2": cgroup2 alone.</summary>
    string Layout { get; }

    /// <summary>Limits that cannot be had on this host, a sentence each.</summary>
    IReadOnlyList<string> Warnings { get; }

    /// <summary>
    /// Makes the cgroup with its limits and device filter. What an earlier run left under the name is removed first. On failure nothing is left.
    /// </summary>
    /// <param name="owner">Whose root may make cgroups below (delegation); null: nobody's.</param>
    /// <exception cref="Kernel.KernelException">The kernel refused a limit: the message names the file and the value.</exception>
    /// <exception cref="ContainerStateException">Processes run in a cgroup of that name, or a limit did not come out as written.</exception>
    ContainerCgroup Create(string parent, string name, ResourceLimits limits, IdMap? owner);

    /// <summary>The cgroup of a container made earlier; it need not exist any more.</summary>
    ContainerCgroup Open(string parent, string name);

    /// <summary>Removes the parent when nothing is below it; else does nothing.</summary>
    void RemoveParent(string parent);
}

/// <summary>
/// One step of making /sys/fs/cgroup inside a container, in order. All are mounted nosuid, nodev and noexec, by the container's own root in
/// its own cgroup namespace, which has to be entered after the process has joined its cgroups (cgroup_namespaces(7)): then the guest sees its
/// own subtree as the root and needs nothing of the host's mounts.
/// </summary>
/// <param name="Target">Absolute path inside.</param>
/// <param name="Type">"tmpfs", "cgroup" or "cgroup2" for mount(2); "symlink": <paramref name="Source"/> is the link's text.</param>
/// <param name="Data">Option string for mount(2).</param>
/// <param name="ReadOnly">Mounted read-only; a tmpfs: remounted so after the steps below it.</param>
internal sealed record CgroupMount(string Target, string Type, string Source, string Data, bool ReadOnly);
