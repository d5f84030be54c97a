using NovaLxd.Objects;
using NovaLxd.Startup;

namespace NovaLxd.Tests.Startup;

public class RecoveryPlanTests
{
    [Theory]
    [InlineData("soft-delete", null, PowerState.Shutdown, nameof(RecoveryStep.Leave))]
    [InlineData("soft-delete", "restoring", PowerState.Shutdown, nameof(RecoveryStep.RestoreDeleted))]
    [InlineData("soft-delete", "deleting", PowerState.Shutdown, nameof(RecoveryStep.Delete))]
    [InlineData("active", "soft-deleting", PowerState.Running, nameof(RecoveryStep.SoftDelete))]
    [InlineData("error", "soft-deleting", PowerState.Shutdown, nameof(RecoveryStep.SoftDelete))]
    [InlineData("error", null, PowerState.Running, nameof(RecoveryStep.Leave))]
    [InlineData("error", "rebuilding", PowerState.Running, nameof(RecoveryStep.RebuildError))]
    [InlineData("active", "rebuilding", PowerState.Running, nameof(RecoveryStep.RebuildError))]
    [InlineData("stopped", "rebuild_block_device_mapping", PowerState.Shutdown, nameof(RecoveryStep.RebuildError))]
    [InlineData("error", "deleting", PowerState.Running, nameof(RecoveryStep.Delete))]
    [InlineData("deleted", null, PowerState.NoState, nameof(RecoveryStep.CompleteDelete))]
    [InlineData("building", null, PowerState.NoState, nameof(RecoveryStep.Error))]
    [InlineData("building", "spawning", PowerState.Running, nameof(RecoveryStep.Error))]
    [InlineData("building", "deleting", PowerState.NoState, nameof(RecoveryStep.Delete))]
    [InlineData("active", "block_device_mapping", PowerState.NoState, nameof(RecoveryStep.Error))]
    [InlineData("active", "rebuild_spawning", PowerState.NoState, nameof(RecoveryStep.RebuildError))]
    [InlineData("active", "image_uploading", PowerState.Running, nameof(RecoveryStep.ForgetTask))]
    [InlineData("active", "resize_prep", PowerState.Running, nameof(RecoveryStep.ForgetTask))]
    [InlineData("active", "deleting", PowerState.Running, nameof(RecoveryStep.Delete))]
    [InlineData("active", "reboot_pending", PowerState.Running, nameof(RecoveryStep.RebootSoft))]
    [InlineData("active", "reboot_pending", PowerState.Shutdown, nameof(RecoveryStep.RebootHard))]
    [InlineData("active", "reboot_pending_hard", PowerState.Running, nameof(RecoveryStep.RebootHard))]
    [InlineData("active", "reboot_started", PowerState.Shutdown, nameof(RecoveryStep.RebootHard))]
    [InlineData("active", "reboot_started", PowerState.Running, nameof(RecoveryStep.Active))]
    [InlineData("active", "pausing", PowerState.Running, nameof(RecoveryStep.Active))]
    [InlineData("active", "pausing", PowerState.Paused, nameof(RecoveryStep.Pause))]
    [InlineData("paused", "unpausing", PowerState.Paused, nameof(RecoveryStep.Unpause))]
    [InlineData("active", "powering-off", PowerState.Running, nameof(RecoveryStep.Stop))]
    [InlineData("stopped", "powering-on", PowerState.Shutdown, nameof(RecoveryStep.Start))]
    [InlineData("active", "rescuing", PowerState.Running, nameof(RecoveryStep.TakeBackRescue))]
    [InlineData("stopped", "rescuing", PowerState.Shutdown, nameof(RecoveryStep.TakeBackRescue))]
    [InlineData("error", "rescuing", PowerState.Shutdown, nameof(RecoveryStep.TakeBackRescue))]
    [InlineData("rescued", "unrescuing", PowerState.Running, nameof(RecoveryStep.Unrescue))]
    [InlineData("rescued", "deleting", PowerState.Running, nameof(RecoveryStep.Delete))]
    [InlineData("rescued", "reboot_started_hard", PowerState.Running, nameof(RecoveryStep.Active))]
    [InlineData("rescued", null, PowerState.Running, nameof(RecoveryStep.Restore))]
    [InlineData("active", null, PowerState.Running, nameof(RecoveryStep.Restore))]
    [InlineData("stopped", null, PowerState.Shutdown, nameof(RecoveryStep.Restore))]
    public void EveryStateFoundAtStartHasItsStep(string vmState, string? taskState, int power, string step) =>
        Assert.Equal(step, RecoveryPlan.For(vmState, taskState, power).ToString());
}
