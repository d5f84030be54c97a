namespace NovaLxd.Objects;

/// <summary>Values of Instance.vm_state (nova/compute/vm_states.py).</summary>
internal static class VmState
{
    internal const string Active = "active";
    internal const string Building = "building";
    internal const string Paused = "paused";
    internal const string Suspended = "suspended";
    internal const string Stopped = "stopped";
    internal const string Rescued = "rescued";
    internal const string Resized = "resized";
    internal const string SoftDeleted = "soft-delete";
    internal const string Deleted = "deleted";
    internal const string Error = "error";
    internal const string Shelved = "shelved";
    internal const string ShelvedOffloaded = "shelved_offloaded";
}

/// <summary>Values of Instance.task_state (nova/compute/task_states.py).</summary>
internal static class TaskState
{
    internal const string Scheduling = "scheduling";
    internal const string BlockDeviceMapping = "block_device_mapping";
    internal const string Networking = "networking";
    internal const string Spawning = "spawning";
    internal const string ImageSnapshot = "image_snapshot";
    internal const string ImageSnapshotPending = "image_snapshot_pending";
    internal const string ImageBackup = "image_backup";
    internal const string ImageUploading = "image_uploading";
    internal const string ImagePendingUpload = "image_pending_upload";
    internal const string UpdatingPassword = "updating_password";
    internal const string ResizePrep = "resize_prep";
    internal const string ResizeMigrating = "resize_migrating";
    internal const string ResizeMigrated = "resize_migrated";
    internal const string ResizeFinish = "resize_finish";
    internal const string ResizeReverting = "resize_reverting";
    internal const string ResizeConfirming = "resize_confirming";
    internal const string Rebooting = "rebooting";
    internal const string RebootPending = "reboot_pending";
    internal const string RebootStarted = "reboot_started";
    internal const string RebootingHard = "rebooting_hard";
    internal const string RebootPendingHard = "reboot_pending_hard";
    internal const string RebootStartedHard = "reboot_started_hard";
    internal const string Pausing = "pausing";
    internal const string Unpausing = "unpausing";
    internal const string Suspending = "suspending";
    internal const string Resuming = "resuming";
    internal const string PoweringOff = "powering-off";
    internal const string PoweringOn = "powering-on";
    internal const string Rescuing = "rescuing";
    internal const string Unrescuing = "unrescuing";
    internal const string Rebuilding = "rebuilding";
    internal const string RebuildBlockDeviceMapping = "rebuild_block_device_mapping";
    internal const string RebuildSpawning = "rebuild_spawning";
    internal const string Migrating = "migrating";
    internal const string Deleting = "deleting";
    internal const string SoftDeleting = "soft-deleting";
    internal const string Restoring = "restoring";
    internal const string Shelving = "shelving";
    internal const string ShelvingImagePendingUpload = "shelving_image_pending_upload";
    internal const string ShelvingImageUploading = "shelving_image_uploading";
    internal const string ShelvingOffloading = "shelving_offloading";
    internal const string Unshelving = "unshelving";
}

/// <summary>Values of Instance.power_state (nova/compute/power_state.py) and their names in notifications and diagnostics.</summary>
internal static class PowerState
{
    internal const int NoState = 0;
    internal const int Running = 1;
    internal const int Paused = 3;
    internal const int Shutdown = 4;
    internal const int Crashed = 6;
    internal const int Suspended = 7;

    /// <summary>"pending", "running", "paused", "shutdown", "crashed", "suspended".</summary>
    internal static string Name(int state) => state switch
    {
        NoState => "pending",
        Running => "running",
        Paused => "paused",
        Shutdown => "shutdown",
        Crashed => "crashed",
        Suspended => "suspended",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "Not a power state of Nova."),
    };
}
