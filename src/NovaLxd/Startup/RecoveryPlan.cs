using NovaLxd.Objects;

namespace NovaLxd.Startup;

/// <summary>What is done with an instance that is found at start (nova/compute/manager.py:_init_instance).</summary>
internal enum RecoveryStep
{
    /// <summary>Nothing: it is somebody else's, or it is an error already.</summary>
    Leave,

    /// <summary>Its row says deleted and is still there: the rest of the delete is done.</summary>
    CompleteDelete,

    /// <summary>A delete was under way: it is done again from the start.</summary>
    Delete,

    /// <summary>A build was interrupted: it is an error now.</summary>
    Error,

    /// <summary>A rebuild was interrupted: it is an error now, and may be rebuilt again.</summary>
    RebuildError,

    /// <summary>An interrupted step that left nothing behind: the task state goes, and the instance is seen to as usual.</summary>
    ForgetTask,

    /// <summary>The guest runs: the task is done or was never begun, the instance is active.</summary>
    Active,

    RebootSoft,
    RebootHard,
    Pause,
    Unpause,
    Stop,
    Start,

    /// <summary>A soft delete was under way: it is done again from the start.</summary>
    SoftDelete,

    /// <summary>A soft-deleted instance was on its way back: it is brought back.</summary>
    RestoreDeleted,

    /// <summary>A rescue was under way: the instance becomes what it was before.</summary>
    TakeBackRescue,

    /// <summary>The end of a rescue was under way: it is done again from the start.</summary>
    Unrescue,

    /// <summary>A resize was under way, and the new size is not there: it is taken back.</summary>
    RollBackResize,

    /// <summary>A resize was under way and the new size is there: it is finished.</summary>
    FinishResize,

    /// <summary>A resize was being reverted: that is finished.</summary>
    FinishRevert,

    /// <summary>A resize waits for its owner, or was being confirmed: that is finished.</summary>
    FinishConfirm,

    /// <summary>A shelve was interrupted: the instance is what it was before.</summary>
    TakeBackShelve,

    /// <summary>An offload was interrupted: it is done again from the start.</summary>
    Offload,

    /// <summary>It is offloaded, and its row still names this host.</summary>
    CompleteOffload,

    /// <summary>An unshelve was interrupted: the instance is offloaded again.</summary>
    TakeBackUnshelve,

    /// <summary>The ports are plugged, and a guest that should run and does not is started if the operator wants that.</summary>
    Restore,
}

/// <summary>The table of states, as a pure function.</summary>
internal static class RecoveryPlan
{
    private static readonly string?[] BuildTasks = [TaskState.Scheduling, TaskState.BlockDeviceMapping, TaskState.Networking, TaskState.Spawning];
    private static readonly string?[] RebuildTasks = [TaskState.Rebuilding, TaskState.RebuildBlockDeviceMapping, TaskState.RebuildSpawning];

    /// <summary>Nova has forgotten image_backup here: such an instance would stay busy until an administrator resets its state.</summary>
    private static readonly string?[] HarmlessTasks =
        [TaskState.ImageSnapshot, TaskState.ImageSnapshotPending, TaskState.ImageBackup, TaskState.ImagePendingUpload, TaskState.ImageUploading];

    private static readonly string?[] ShelveTasks = [TaskState.Shelving, TaskState.ShelvingImagePendingUpload, TaskState.ShelvingImageUploading];
    private static readonly string?[] SoftRebootTasks = [TaskState.RebootPending, TaskState.RebootStarted];
    private static readonly string?[] HardRebootTasks = [TaskState.RebootPendingHard, TaskState.RebootStartedHard];

    /// <param name="vmState">As the database has it.</param>
    /// <param name="taskState">As the database has it.</param>
    /// <param name="power">As the container is (<see cref="PowerState"/>).</param>
    public static RecoveryStep For(string? vmState, string? taskState, int power)
    {
        var running = power == PowerState.Running;
        return (vmState, taskState) switch
        {
            // Nova leaves these, a rebuild of a server in error and a rescue, in their task, in which nobody but an administrator can do anything with them.
            (VmState.SoftDeleted, TaskState.Restoring) => RecoveryStep.RestoreDeleted,
            (VmState.SoftDeleted, TaskState.Deleting) => RecoveryStep.Delete,
            (not (VmState.SoftDeleted or VmState.Deleted), TaskState.SoftDeleting) => RecoveryStep.SoftDelete,
            (VmState.SoftDeleted, _) => RecoveryStep.Leave,
            (VmState.Active or VmState.Stopped or VmState.Error, not null) when RebuildTasks.Contains(taskState) => RecoveryStep.RebuildError,
            (VmState.Active or VmState.Stopped or VmState.Error, TaskState.Rescuing) => RecoveryStep.TakeBackRescue,
            (VmState.Rescued, TaskState.Unrescuing) => RecoveryStep.Unrescue,
            (VmState.Error, not (TaskState.ResizeMigrating or TaskState.Deleting)) => RecoveryStep.Leave,
            (VmState.Deleted, _) => RecoveryStep.CompleteDelete,
            (VmState.Building, not TaskState.Deleting) => RecoveryStep.Error,
            (VmState.ShelvedOffloaded, TaskState.Spawning) => RecoveryStep.TakeBackUnshelve,
            (VmState.ShelvedOffloaded, null) => RecoveryStep.CompleteOffload,
            (VmState.Shelved, TaskState.ShelvingOffloading) => RecoveryStep.Offload,
            (_, not null) when ShelveTasks.Contains(taskState) => RecoveryStep.TakeBackShelve,
            (_, not null) when BuildTasks.Contains(taskState) => RecoveryStep.Error,
            (_, not null) when HarmlessTasks.Contains(taskState) => RecoveryStep.ForgetTask,
            (_, TaskState.Deleting) => RecoveryStep.Delete,
            (_, TaskState.ResizePrep or TaskState.ResizeMigrating) => RecoveryStep.RollBackResize,
            (_, TaskState.ResizeMigrated or TaskState.ResizeFinish) => RecoveryStep.FinishResize,
            (_, TaskState.ResizeReverting) => RecoveryStep.FinishRevert,
            (VmState.Resized, null) => RecoveryStep.FinishConfirm,
            (_, TaskState.RebootPending) => running ? RecoveryStep.RebootSoft : RecoveryStep.RebootHard,
            (_, TaskState.RebootPendingHard) => RecoveryStep.RebootHard,
            (_, not null) when !running && (SoftRebootTasks.Contains(taskState) || HardRebootTasks.Contains(taskState)) => RecoveryStep.RebootHard,
            (_, TaskState.RebootStarted or TaskState.RebootStartedHard or TaskState.Pausing or TaskState.Unpausing) when running => RecoveryStep.Active,
            (_, TaskState.Pausing) when power == PowerState.Paused => RecoveryStep.Pause,
            (VmState.Paused, TaskState.Unpausing) => RecoveryStep.Unpause,
            (_, TaskState.PoweringOff) => RecoveryStep.Stop,
            (_, TaskState.PoweringOn) => RecoveryStep.Start,
            _ => RecoveryStep.Restore,
        };
    }
}
