namespace NovaLxd.Outcomes;

/// <summary>The server cannot have the size that was asked for; the reason is for its owner.</summary>
internal sealed class ResizeException(string reason, Exception? inner = null) : OutcomeException($"The server cannot be resized: {reason}", 500, inner);

/// <summary>A move failed at the destination, and the source has the instance again, or will: its state is not to be touched here.</summary>
internal sealed class HandedBackException(string message, Exception inner) : OutcomeException(message, 500, inner);

/// <summary>A cold migration to the host on which the server is already.</summary>
internal sealed class UnableToMigrateToSelfException(string instanceUuid, string host)
    : OutcomeException($"Unable to migrate instance {instanceUuid} to {host}: it is there already.", 400);
