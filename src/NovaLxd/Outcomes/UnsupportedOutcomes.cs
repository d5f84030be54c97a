namespace NovaLxd.Outcomes;

/// <summary>This service does not do that (yet). The API answers 501, or 409 where it has a word of its own for it.</summary>
internal class NotSupportedByDriverException(string message) : OutcomeException(message, 501);

/// <summary>The guest's password cannot be set from outside.</summary>
internal sealed class SetAdminPasswordNotSupportedException(string message = "Set admin password is not supported")
    : NotSupportedByDriverException(message);

internal sealed class AttachInterfaceNotSupportedException(string instanceUuid)
    : OutcomeException($"Attaching interfaces is not supported for instance {instanceUuid}.", 400);

internal sealed class InstanceQuiesceNotSupportedException(string instanceUuid)
    : OutcomeException($"Quiescing is not supported in instance {instanceUuid}", 409);

internal sealed class TriggerCrashDumpNotSupportedException(string message = "Triggering crash dump is not supported") : OutcomeException(message, 400);

/// <summary>This host cannot take the instance; the conductor tries the next one.</summary>
internal sealed class MigrationPreCheckException(string reason) : OutcomeException($"Migration pre-check error: {reason}", 500);

internal sealed class ConsoleNotAvailableException(string message = "Guest does not have a console available.") : OutcomeException(message, 404);

/// <summary>This type of console exists but is not switched on here.</summary>
internal sealed class ConsoleTypeUnavailableException(string type) : OutcomeException($"Unavailable console type {type}.", 400);

/// <summary>There is no such type of console.</summary>
internal sealed class ConsoleTypeInvalidException(string type) : OutcomeException($"Invalid console type {type}", 400);

/// <summary>A volume cannot be attached as asked.</summary>
internal sealed class InvalidVolumeException(string reason) : OutcomeException($"Invalid volume: {reason}", 400);

internal sealed class InterfaceAttachFailedException(string instanceUuid, Exception? inner = null)
    : OutcomeException($"Failed to attach network adapter device to {instanceUuid}", 500, inner);

internal sealed class PortNotFoundException(string portId) : OutcomeException($"Port id {portId} could not be found.", 404);
