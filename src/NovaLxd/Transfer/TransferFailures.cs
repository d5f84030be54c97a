using NovaLxd.Outcomes;

namespace NovaLxd.Transfer;

/// <summary>A container could not be brought to another host; it is where it was.</summary>
internal sealed class TransferFailedException(string message, Exception? inner = null) : OutcomeException(message, 500, inner);

/// <summary>The other host does not answer, or the connection broke: worth another try.</summary>
internal sealed class TransferBrokenException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The other host takes no further container just now.</summary>
internal sealed class TransferBusyException(string message) : Exception(message);

/// <summary>What the receiver does not do for a peer; the message goes to the peer's operator and user.</summary>
internal sealed class TransferDeniedException(string message) : Exception(message);
