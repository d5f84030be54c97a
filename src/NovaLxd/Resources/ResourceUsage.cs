using NovaLxd.Objects;

namespace NovaLxd.Resources;

/// <summary>What one instance takes of the host. Memory in MiB, disk in GiB.</summary>
internal sealed record ResourceUsage(int Vcpus, int MemoryMb, int DiskGb)
{
    private const int MibPerGib = 1024;

    /// <summary>How often this fits into what is left.</summary>
    public int FitsInto((int Vcpus, int MemoryMb, int DiskGb) free)
    {
        static int Times(int have, int need) => need > 0 ? Math.Max(0, have) / need : int.MaxValue;
        return Math.Min(Times(free.Vcpus, Vcpus), Math.Min(Times(free.MemoryMb, MemoryMb), Times(free.DiskGb, DiskGb)));
    }

    public static ResourceUsage Of(Flavor flavor) =>
        new(flavor.Vcpus, flavor.MemoryMb, flavor.RootGb + flavor.EphemeralGb + (flavor.Swap / MibPerGib));
}

/// <summary>An instance that counts against this host, with what the statistics tell of it.</summary>
internal sealed record TrackedInstance(ResourceUsage Usage, string? FlavorName, string? VmState, string? TaskState, string? OsType, string? ProjectId)
{
    /// <summary>Task states in which the disk is busy (nova/compute/stats.py:io_workload).</summary>
    private static readonly string?[] DiskTasks =
    [
        Objects.TaskState.ResizeMigrating, Objects.TaskState.Rebuilding, Objects.TaskState.ResizePrep, Objects.TaskState.ImageSnapshot,
        Objects.TaskState.ImageBackup, Objects.TaskState.Rescuing, Objects.TaskState.Unshelving, Objects.TaskState.Shelving,
    ];

    /// <summary>Task states of a resize (nova/compute/task_states.py:resizing_states, and the one before them).</summary>
    private static readonly string?[] ResizeTasks =
        [Objects.TaskState.ResizePrep, Objects.TaskState.ResizeMigrating, Objects.TaskState.ResizeMigrated, Objects.TaskState.ResizeFinish];

    /// <summary>What it holds besides, while it may come to have another flavor on this host or go back to the one it had.</summary>
    public ResourceUsage? Held { get; init; }

    public ResourceUsage Total => Held is { } held
        ? new(Usage.Vcpus + held.Vcpus, Usage.MemoryMb + held.MemoryMb, Usage.DiskGb + held.DiskGb)
        : Usage;

    public static TrackedInstance From(Instance instance) =>
        new(ResourceUsage.Of(instance.Flavor), instance.Flavor.Name, instance.VmState, instance.TaskState, instance.OsType, instance.ProjectId)
        {
            Held = HeldBy(instance),
        };

    /// <summary>Whether it is on its way from one host to another, by a resize or an evacuation (nova/compute/resource_tracker.py:_instance_in_resize_state).</summary>
    public static bool IsMoving(Instance instance) => instance.VmState == Objects.VmState.Resized || ResizeTasks.Contains(instance.TaskState)
        || instance.TaskState is Objects.TaskState.ResizeReverting
            or Objects.TaskState.Rebuilding or Objects.TaskState.RebuildBlockDeviceMapping or Objects.TaskState.RebuildSpawning;

    /// <summary>Before the resize is finished the new flavor, and afterwards the old one, until it is confirmed.</summary>
    private static ResourceUsage? HeldBy(Instance instance)
    {
        var resizing = instance.VmState == Objects.VmState.Resized
            || (instance.VmState is Objects.VmState.Active or Objects.VmState.Stopped && ResizeTasks.Contains(instance.TaskState));
        if (!resizing || !instance.IsSet("new_flavor") || instance.NewFlavor is not { } next)
        {
            return null;
        }

        var other = instance.InstanceTypeId != next.Id ? next : instance.IsSet("old_flavor") ? instance.OldFlavor : null;
        return other is null ? null : ResourceUsage.Of(other);
    }

    public bool LoadsDisk => VmState == Objects.VmState.Building || (TaskState is not null && DiskTasks.Contains(TaskState));

    /// <summary>Whether an instance in this state leaves its resources to others.</summary>
    public static bool FreesResources(string? vmState) => vmState is Objects.VmState.Deleted or Objects.VmState.ShelvedOffloaded;
}
