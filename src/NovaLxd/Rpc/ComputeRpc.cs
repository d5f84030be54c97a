using Newtonsoft.Json.Linq;
using NovaLxd.Objects;
using NovaLxd.Operations;
using NovaLxd.Operations.Build;
using NovaLxd.Operations.Guest;
using NovaLxd.Operations.Host;
using NovaLxd.Operations.Images;
using NovaLxd.Operations.Move;
using NovaLxd.Operations.Network;
using NovaLxd.Operations.Power;
using NovaLxd.Outcomes;
using static NovaLxd.Rpc.InstanceLock;
using static NovaLxd.Rpc.Kind;
using static NovaLxd.Rpc.Wrap;

namespace NovaLxd.Rpc;

/// <summary>
/// Every RPC method of nova-compute (nova/compute/rpcapi.py, 6.0 to 6.5) beside the operation that answers it, or beside what it would do and the
/// failure that says that it is not supported. The marks say what <see cref="OperationRunner"/> does around it; they are Nova's, and on what is not
/// supported such that the user finds the reason in <c>openstack server event list</c> and <c>server show</c> and the server is as it was.
/// </summary>
internal sealed partial class ComputeRpc
{
    private void AddBuild()
    {
        Add<BuildAndRunInstance, BuildAndRunInstance.Request>(
            "build_and_run_instance", Cast, X | T | E | F, Whole, function: "_do_build_and_run_instance");
        Add<TerminateInstance, TerminateInstance.Request>("terminate_instance", Cast, X | T | E | F);
        Add<SoftDeleteInstance, SoftDeleteInstance.Request>("soft_delete_instance", Cast, X | T | E | F, Body);
        Add<RestoreInstance, RestoreInstance.Request>("restore_instance", Cast, X | T | E | F, Body);
        Add<RebuildInstance, RebuildInstance.Request>("rebuild_instance", Cast, X | T | E | F, Body);
        Add<ShelveInstance, ShelveInstance.Request>("shelve_instance", Cast, X | T | E | F, Body);
        Add<ShelveOffloadInstance, ShelveOffloadInstance.Request>("shelve_offload_instance", Cast, X | T | E | F, Body);
        Add<UnshelveInstance, UnshelveInstance.Request>("unshelve_instance", Cast, X | T | E | F, Body);
    }

    private void AddPower()
    {
        Add<StartInstance, StartInstance.Request>("start_instance", Cast, X | T | E | F, Body);
        Add<StopInstance, StopInstance.Request>("stop_instance", Either, X | T | E | F, Body);
        Add<RebootInstance, RebootInstance.Request>("reboot_instance", Cast, X | T | E | F, Body);
        Add<PauseInstance, PauseInstance.Request>("pause_instance", Cast, X | T | E | F, Body);
        Add<UnpauseInstance, UnpauseInstance.Request>("unpause_instance", Cast, X | T | E | F, Body);
        Unsupported("suspend_instance", Cast, X | T | E | F, "Suspending a server", NotImplemented);
        Unsupported("resume_instance", Cast, X | T | E | F, "Resuming a server", NotImplemented);
        Add<RescueInstance, RescueInstance.Request>("rescue_instance", Cast, X | T | E | F, Body);
        Add<UnrescueInstance, UnrescueInstance.Request>("unrescue_instance", Cast, X | T | E | F, Body);
    }

    private void AddMove()
    {
        Add<PrepResize, PrepResize.Request>("prep_resize", Cast, X | T | E | M | F);
        Add<ResizeInstance, ResizeInstance.Request>("resize_instance", Cast, X | T | E | M | F, Body);
        Add<FinishResize, FinishResize.Request>("finish_resize", Cast, X | T | E | M | F, Body);
        Add<ConfirmResize, ConfirmResize.Request>("confirm_resize", Either, X | E | M | F, Body);

        // Without M: a revert that is refused can be asked for again.
        Add<RevertResize, RevertResize.Request>("revert_resize", Cast, X | T | E | F, Body);
        Add<FinishRevertResize, FinishRevertResize.Request>("finish_revert_resize", Cast, X | T | E | M | F, Body);
        Unsupported("prep_snapshot_based_resize_at_dest", Call, X | E | F, "Resizing a server between cells", MigrationPreCheck);
        Unsupported("prep_snapshot_based_resize_at_source", Call, X | T | E | M | F, "Resizing a server between cells", NotImplemented);
        Unsupported("finish_snapshot_based_resize_at_dest", Call, X | T | E | M | F, "Resizing a server between cells", NotImplemented);
        Unsupported("confirm_snapshot_based_resize_at_source", Call, X | E | M | F, "Resizing a server between cells", NotImplemented);
        Unsupported("revert_snapshot_based_resize_at_dest", Call, X | T | E | M | F, "Resizing a server between cells", NotImplemented);
        Unsupported("finish_revert_snapshot_based_resize_at_source", Call, X | T | E | M | F, "Resizing a server between cells", NotImplemented);
    }

    private void AddLiveMigration()
    {
        Unsupported("check_can_live_migrate_destination", Call, X | E | F, "Live migration", MigrationPreCheck);
        Unsupported("check_can_live_migrate_source", Call, X | E | F, "Live migration", MigrationPreCheck);
        Unsupported("live_migration", Cast, X | T | E | M | F, "Live migration", NotImplemented, takeBack: Allocation);
        Unsupported("pre_live_migration", Call, X | E | F, "Live migration", NotImplemented);
        Unsupported("post_live_migration_at_destination", Call, X | E | F, "Live migration", NotImplemented);
        Unsupported("rollback_live_migration_at_destination", Cast, X | E | F, "Live migration", NotImplemented);
        Unsupported("drop_move_claim_at_destination", Call, X | F, "Live migration", NotImplemented);
        Unsupported("live_migration_force_complete", Cast, X | E | F, "Live migration", NotImplemented);
        Unsupported("live_migration_abort", Cast, X | E | F, "Live migration", NotImplemented);
        Unsupported("check_instance_shared_storage", Call, X, "Looking for storage shared between hosts", NotImplemented);
    }

    private void AddVolumes()
    {
        Unsupported("reserve_block_device_name", Call, X | T | F, "Attaching a volume", InvalidVolume);
        Unsupported("attach_volume", Cast, X | E | F, "Attaching a volume", InvalidVolume, Body);
        Unsupported("detach_volume", Cast, X | E | F, "Detaching a volume", InvalidVolume, Body);
        Unsupported("swap_volume", Cast, X | E | F, "Swapping a volume", NotImplemented, Body);
        Unsupported("remove_volume_connection", Call, X, "Removing a volume's connection", NotImplemented);
        Unsupported("volume_snapshot_create", Cast, X, "Taking a snapshot of a volume in use", NotImplemented);
        Unsupported("volume_snapshot_delete", Cast, X, "Taking a snapshot of a volume in use", NotImplemented);
        Unsupported("allow_share", Cast, X | E | F, "Attaching a share", NotImplemented);
        Unsupported("deny_share", Cast, X | E | F, "Detaching a share", NotImplemented);
    }

    private void AddNetwork()
    {
        Add<AttachInterface, AttachInterface.Request, Vif>("attach_interface", Call, X | E | F, Body);
        Add<DetachInterface, DetachInterface.Request>("detach_interface", Cast, X | E | F, Body);
        Add<AddFixedIp, AddFixedIp.Request>("add_fixed_ip_to_instance", Cast, X | F);
        Add<RemoveFixedIp, RemoveFixedIp.Request>("remove_fixed_ip_from_instance", Cast, X | F);
        Add<InjectNetworkInfo, InjectNetworkInfo.Request>("inject_network_info", Cast, F);
        Add<ExternalInstanceEvents, ExternalInstanceEvents.Request>("external_instance_event", Cast, X);
    }

    private void AddImages()
    {
        Add<SnapshotInstance, SnapshotInstance.Request>("snapshot_instance", Cast, X | T | E | F);
        Add<BackupInstance, BackupInstance.Request>("backup_instance", Cast, X | T | E | F);
        Unsupported("quiesce_instance", Call, X, "Quiescing a server", m => new InstanceQuiesceNotSupportedException(m));
        Unsupported("unquiesce_instance", Cast, X, "Quiescing a server", m => new InstanceQuiesceNotSupportedException(m));
        Add<CacheImages, CacheImages.Request, Dictionary<string, string>>("cache_images", Call, Wrap.None);
    }

    private void AddGuest()
    {
        Add<GetConsoleOutput, GetConsoleOutput.Request, string>("get_console_output", Call, X | F);
        Unsupported("get_serial_console", Call, X | F, "The serial console", ConsoleType);
        Unsupported("get_vnc_console", Call, X | F, "A VNC console", ConsoleType);
        Unsupported("get_spice_console", Call, X | F, "A SPICE console", ConsoleType);
        Unsupported("get_rdp_console", Call, X | F, "An RDP console", ConsoleType);
        Unsupported("get_mks_console", Call, X | F, "An MKS console", ConsoleType);
        Unsupported("validate_console_port", Call, X | F, "A console through a proxy", m => new ConsoleTypeInvalidException(m));
        Add<SetAdminPassword, SetAdminPassword.Request>("set_admin_password", Call, X | T | E | F);
        Add<GetDiagnostics, GetDiagnostics.Request, JObject>("get_diagnostics", Call, X | F);
        Add<GetInstanceDiagnostics, GetInstanceDiagnostics.Request, Diagnostics>("get_instance_diagnostics", Call, X | F);
        Unsupported("trigger_crash_dump", Cast, X | E | F, "A crash dump", m => new TriggerCrashDumpNotSupportedException(m));
    }

    private void AddHost()
    {
        Add<GetHostUptime, GetHostUptime.Request, string>("get_host_uptime", Call, X);
        Add<SetHostEnabled, SetHostEnabled.Request, string>("set_host_enabled", Call, X);
        Unsupported("host_power_action", Call, X, "Power actions on the host", NotImplemented);
        Unsupported("host_maintenance_mode", Call, X, "Maintenance mode of the host", NotImplemented);
    }

    private static Task<bool> Allocation(IServiceProvider services, RefusedRequest request) =>
        services.GetRequiredService<Leftovers>().RevertAllocationAsync(request);

    private static OutcomeException NotImplemented(string message) => new NotSupportedByDriverException(message);

    private static OutcomeException MigrationPreCheck(string message) => new MigrationPreCheckException(message);

    private static OutcomeException InvalidVolume(string message) => new InvalidVolumeException(message);

    private static OutcomeException ConsoleType(string message) => new ConsoleTypeUnavailableException(message);
}
