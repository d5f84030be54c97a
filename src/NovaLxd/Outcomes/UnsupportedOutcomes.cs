namespace NovaLxd.Outcomes;

/// <summary>This service does not do that. The API answers 501, or 409 where it has a word of its own for it.</summary>
internal sealed class NotSupportedByDriverException(string message) : OutcomeException(message);

/// <summary>The guest's password cannot be set from outside.</summary>
internal sealed class SetAdminPasswordNotSupportedException(string message) : OutcomeException(message, 400);

/// <summary>A rebuild that was to keep the ephemeral disks.</summary>
internal sealed class PreserveEphemeralNotSupportedException()
    : OutcomeException("Ephemeral disks cannot be kept in a rebuild: ask for it without preserve_ephemeral.", 400);

internal sealed class InstanceQuiesceNotSupportedException(string message) : OutcomeException(message, 400);

internal sealed class TriggerCrashDumpNotSupportedException(string message) : OutcomeException(message, 400);

/// <summary>This host cannot take the instance; the conductor tries the next one.</summary>
internal sealed class MigrationPreCheckException(string message) : OutcomeException(message);

internal sealed class ConsoleNotAvailableException(string message) : OutcomeException(message, 404);

/// <summary>This type of console exists but is not switched on here.</summary>
internal sealed class ConsoleTypeUnavailableException(string message) : OutcomeException(message, 400);

/// <summary>There is no such type of console.</summary>
internal sealed class ConsoleTypeInvalidException(string message) : OutcomeException(message, 400);

/// <summary>A volume cannot be attached as asked.</summary>
internal sealed class InvalidVolumeException(string message) : OutcomeException(message, 400);
