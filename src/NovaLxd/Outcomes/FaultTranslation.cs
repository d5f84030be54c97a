using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Outcomes;

/// <summary>
/// Our outcomes and the Python exceptions that stand for them on the wire: the only place that knows their names. The other side rebuilds a class
/// of nova.exception or of Python's builtins and its API turns the class into an HTTP code; of anything else it only sees text.
/// </summary>
internal static class FaultTranslation
{
    private const string Nova = "nova.exception";
    private const string Builtins = "builtins";

    /// <summary>One row for each outcome; where it may come from the conductor, with how it is made from the message and the failure.</summary>
    private static readonly Row[] Rows =
    [
        Both<InstanceNotFoundException>("InstanceNotFound", f => new(f.Message)),
        Both<UnexpectedDeletingTaskStateException>("UnexpectedDeletingTaskStateError",
            f => new(f.Message) { Expected = f.Kwargs["expected"], Actual = f.Kwargs["actual"] }),
        Both<UnexpectedTaskStateException>("UnexpectedTaskStateError",
            f => new(f.Message) { Expected = f.Kwargs["expected"], Actual = f.Kwargs["actual"] }),
        Both<InstanceActionNotFoundException>("InstanceActionNotFound", f => new(f.Message)),
        Both<ComputeHostNotFoundException>("ComputeHostNotFound", f => new(f.Message)),
        Both<ServiceNotFoundException>("ServiceNotFound", f => new(f.Message)),
        Both<ServiceTooOldException>("ServiceTooOld", f => new(f.Message)),
        Both<DuplicateRecordException>("DuplicateRecord", f => new(f.Message)),
        Both<MigrationNotFoundException>("MigrationNotFound", f => new(f.Message)),
        Both<MigrationNotFoundException>("MigrationNotFoundByStatus", f => new(f.Message)),
        Both<VolumeBdmNotFoundException>("VolumeBDMNotFound", f => new(f.Message)),
        Both<InstanceGroupNotFoundException>("InstanceGroupNotFound", f => new(f.Message)),
        Both<InstanceInfoCacheNotFoundException>("InstanceInfoCacheNotFound", f => new(f.Message)),
        Both<IncompatibleObjectVersionException>("IncompatibleObjectVersion", f => new(f.Message)) with { Module = "oslo_versionedobjects.exception" },
        Both<IncompatibleObjectVersionException>("IncompatibleObjectVersion", f => new(f.Message)),

        Out<InstanceInvalidStateException>("InstanceInvalidState"),
        Out<InstanceNotReadyException>("InstanceNotReady"),
        Out<InstanceNotRunningException>("InstanceNotRunning"),
        Out<InstancePowerOffFailureException>("InstancePowerOffFailure"),
        Out<RescheduledByPolicyException>("RescheduledByPolicyException"),
        Out<RescheduledException>("RescheduledException"),
        Out<ComputeResourcesUnavailableException>("ComputeResourcesUnavailable"),
        Out<VirtualInterfaceCreateException>("VirtualInterfaceCreateException"),
        Out<MetadataUnavailableException>("NovaException"),
        Out<ImageUnacceptableException>("ImageUnacceptable"),
        Out<ImageNotFoundException>("ImageNotFound"),
        Out<ImageNotActiveException>("ImageNotActive"),
        Out<FlavorDiskTooSmallException>("FlavorDiskTooSmall"),
        Out<FlavorMemoryTooSmallException>("FlavorMemoryTooSmall"),
        Out<InvalidBdmException>("InvalidBDM"),
        Out<PortBindingFailedException>("PortBindingFailed"),
        Out<NoMoreFixedIpsException>("NoMoreFixedIps"),
        Out<PortLimitExceededException>("PortLimitExceeded"),
        Out<PortNotFoundException>("PortNotFound"),
        Out<NetworkNotFoundException>("NetworkNotFound"),
        Out<NetworkNotFoundForInstanceException>("NetworkNotFoundForInstance"),
        Out<FixedIpNotFoundForInstanceException>("FixedIpNotFoundForInstance"),
        Out<PortNotUsableException>("PortNotUsable"),
        Out<PortInUseException>("PortInUse"),
        Out<FixedIpAlreadyInUseException>("FixedIpAlreadyInUse"),
        Out<NetworkAmbiguousException>("NetworkAmbiguous"),
        Out<InterfaceAttachFailedNoNetworkException>("InterfaceAttachFailedNoNetwork"),
        Out<NetworksWithQosPolicyNotSupportedException>("NetworksWithQoSPolicyNotSupported"),
        Out<InterfaceAttachResourceAllocationFailedException>("InterfaceAttachResourceAllocationFailed"),
        Out<BuildAbortException>("BuildAbortException"),

        Out<NotSupportedByDriverException>("NotImplementedError") with { Module = Builtins },
        Out<SetAdminPasswordNotSupportedException>("SetAdminPasswdNotSupported"),
        Out<InstancePasswordSetFailedException>("InstancePasswordSetFailed"),
        Out<PreserveEphemeralNotSupportedException>("PreserveEphemeralNotSupported"),
        Out<InstanceNotRescuableException>("InstanceNotRescuable"),
        Out<InstanceQuiesceNotSupportedException>("InstanceQuiesceNotSupported"),
        Out<TriggerCrashDumpNotSupportedException>("TriggerCrashDumpNotSupported"),
        Out<ResizeException>("ResizeError"),
        Out<TransferFailedException>("ResizeError"),
        Out<HandedBackException>("ResizeError"),
        Out<InstanceExistsException>("InstanceExists"),
        Out<InvalidSharedStorageException>("InvalidSharedStorage"),
        Out<UnableToMigrateToSelfException>("UnableToMigrateToSelf"),
        Out<MigrationPreCheckException>("MigrationPreCheckError"),
        Out<ConsoleNotAvailableException>("ConsoleNotAvailable"),
        Out<ConsoleTypeUnavailableException>("ConsoleTypeUnavailable"),
        Out<ConsoleTypeInvalidException>("ConsoleTypeInvalid"),
        Out<InvalidVolumeException>("InvalidVolume"),
        Out<InterfaceAttachFailedException>("InterfaceAttachFailed"),
        Out<InterfaceDetachFailedException>("InterfaceDetachFailed"),

        // The driver layer's own, when an operation had nothing to add.
        Out<ContainerNotFoundException>("InstanceNotFound", 404),
        Out<ContainerStateException>("InstanceInvalidState", 400),
        Out<ImageRejectedException>("ImageUnacceptable", 400),
    ];

    /// <summary>Names of the classes of nova.exception that may be sent, for a test to compare with Nova's.</summary>
    internal static IEnumerable<(string Class, Type Outcome)> NovaClasses => Rows.Where(r => r.Module == Nova).Select(r => (r.Class, r.Type));

    /// <summary>The failure that tells the caller what happened. A failure of another service goes on as it came; the unforeseen is a NovaException.</summary>
    internal static RemoteFailure ToRemote(Exception exception)
    {
        switch (exception)
        {
            case InstanceFaultRollbackException { InnerException: { } inner }:
                return ToRemote(inner);
            case RpcFailureException own:
                return own.Failure;
            case RemoteFailureException remote:
                return remote.Failure;
        }

        var row = Find(exception.GetType());
        var message = FaultText.Message(exception);
        if (row?.Module == Builtins)
        {
            return RemoteFailure.Builtin(row.Class, message);
        }

        var kwargs = exception is OutcomeException outcome ? outcome.Details : [];
        return RemoteFailure.Nova(row?.Class ?? "NovaException", message, FaultText.Code(exception, row?.Code), kwargs);
    }

    /// <summary>The outcome a remote failure stands for, or the failure itself when it stands for none of ours.</summary>
    internal static Exception FromRemote(RemoteFailureException failure)
    {
        var row = Rows.FirstOrDefault(r => r.FromRemote is not null && r.Module == failure.Failure.Module && r.Class == failure.Failure.Class);
        return row?.FromRemote!(failure.Failure) ?? failure;
    }

    /// <summary>The name the failure goes by in notifications.</summary>
    internal static string ClassName(Exception exception) => ToRemote(exception).Class;

    private static Row? Find(Type? type)
    {
        for (; type is not null; type = type.BaseType)
        {
            if (Rows.FirstOrDefault(r => r.Type == type) is { } row)
            {
                return row;
            }
        }

        return null;
    }

    private static Row Both<T>(string name, Func<RemoteFailure, T> fromRemote) where T : OutcomeException =>
        new(typeof(T), Nova, name, null, fromRemote);

    private static Row Out<T>(string name, int? code = null) where T : Exception => new(typeof(T), Nova, name, code, null);

    private sealed record Row(Type Type, string Module, string Class, int? Code, Func<RemoteFailure, Exception>? FromRemote);
}
