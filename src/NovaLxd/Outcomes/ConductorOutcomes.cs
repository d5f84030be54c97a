namespace NovaLxd.Outcomes;

/// <summary>There is no compute node (or no service) of this host in the database.</summary>
internal sealed class ComputeHostNotFoundException(string message) : OutcomeException(message, 404);

internal sealed class ServiceNotFoundException(string message) : OutcomeException(message, 404);

internal sealed class MigrationNotFoundException(string message) : OutcomeException(message, 404);

internal sealed class VolumeBdmNotFoundException(string message) : OutcomeException(message, 404);

internal sealed class InstanceGroupNotFoundException(string message) : OutcomeException(message, 404);

internal sealed class InstanceInfoCacheNotFoundException(string message) : OutcomeException(message, 404);

/// <summary>The row is there already (a compute node's uuid or host name belongs to another row, or to a deleted one).</summary>
internal sealed class DuplicateRecordException(string message) : OutcomeException(message);

/// <summary>The service version we report is lower than what the control plane still accepts.</summary>
internal sealed class ServiceTooOldException(string message) : OutcomeException(message, 400);

/// <summary>The conductor does not know an object in the version it was sent or asked for.</summary>
internal sealed class IncompatibleObjectVersionException(string message) : OutcomeException(message);
