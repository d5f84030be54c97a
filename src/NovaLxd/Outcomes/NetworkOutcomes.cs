namespace NovaLxd.Outcomes;

/// <summary>There is no such port, or the instance does not have it.</summary>
internal sealed class PortNotFoundException(string message, Exception? inner = null) : BuildAbortException(message, 404, inner);

internal sealed class NetworkNotFoundException(string message, Exception? inner = null) : BuildAbortException(message, 404, inner);

/// <summary>The instance is not in the network, or the network has no address left.</summary>
internal sealed class NetworkNotFoundForInstanceException(string message, Exception? inner) : OutcomeException(message, 404, inner);

internal sealed class FixedIpNotFoundForInstanceException(string message) : OutcomeException(message, 404);

/// <summary>The port is another project's, or has something that does not go with the instance.</summary>
internal sealed class PortNotUsableException(string message) : BuildAbortException(message, 400);

internal sealed class PortInUseException(string message) : BuildAbortException(message, 400);

internal sealed class FixedIpAlreadyInUseException(string message, Exception? inner = null) : BuildAbortException(message, 500, inner);

/// <summary>No network was named and there are several.</summary>
internal sealed class NetworkAmbiguousException(string message) : BuildAbortException(message, 400);

/// <summary>No network was named and there is none.</summary>
internal sealed class InterfaceAttachFailedNoNetworkException(string message) : BuildAbortException(message, 400);

/// <summary>A port made on the network would want resources of Placement.</summary>
internal sealed class NetworksWithQosPolicyNotSupportedException(string message) : BuildAbortException(message, 400);

/// <summary>The port wants resources of Placement.</summary>
internal sealed class InterfaceAttachResourceAllocationFailedException(string message) : BuildAbortException(message, 400);

/// <summary>No network agent serves this host: a build may succeed on another one.</summary>
internal sealed class PortBindingFailedException(string message) : OutcomeException(message, 400);

internal sealed class NoMoreFixedIpsException(string message) : BuildAbortException(message);

internal sealed class PortLimitExceededException(string message) : BuildAbortException(message, 413);

/// <summary>The interface could not be attached, for a reason that the API has no word for.</summary>
internal sealed class InterfaceAttachFailedException(string message, Exception? inner = null) : OutcomeException(message, 500, inner);

internal sealed class InterfaceDetachFailedException(string message, Exception? inner = null) : OutcomeException(message, 400, inner);
