namespace NovaLxd.Outcomes;

/// <summary>The build cannot succeed on any host: error state, no other attempt.</summary>
internal class BuildAbortException(string message, int code = 500, Exception? inner = null) : OutcomeException(message, code, inner)
{
    internal static BuildAbortException For(string instanceUuid, string reason, Exception? inner = null) =>
        new($"Build of instance {instanceUuid} aborted: {reason}", 500, inner);
}

/// <summary>The build may succeed on another host.</summary>
internal class RescheduledException(string instanceUuid, string reason, Exception? inner = null)
    : OutcomeException($"Build of instance {instanceUuid} was re-scheduled: {reason}", 500, inner)
{
    internal string Reason { get; } = reason;
}

/// <summary>This host was ruled out by a server group; that is no fault of the host.</summary>
internal sealed class RescheduledByPolicyException(string instanceUuid, string reason) : RescheduledException(instanceUuid, reason);

/// <summary>The host is full.</summary>
internal sealed class ComputeResourcesUnavailableException(string reason) : OutcomeException($"Insufficient compute resources: {reason}.");

/// <summary>Another member of the server group is on this host, or is not.</summary>
internal sealed class GroupAffinityViolationException(string policy) : OutcomeException($"{policy} server group policy was violated");

/// <summary>The port was not plugged in time, or Neutron said that it could not.</summary>
internal sealed class VirtualInterfaceCreateException(string message = "Virtual Interface creation failed", Exception? inner = null)
    : BuildAbortException(message, 500, inner);

/// <summary>The image cannot be used as the root of an instance.</summary>
internal sealed class ImageUnacceptableException(string imageId, string reason, Exception? inner = null)
    : BuildAbortException($"Image {imageId} is unacceptable: {reason}", 400, inner);

internal sealed class ImageNotFoundException(string imageId) : OutcomeException($"Image {imageId} could not be found.", 404);

internal sealed class ImageNotActiveException(string imageId) : BuildAbortException($"Image {imageId} is not active.", 400);

internal sealed class FlavorDiskTooSmallException(string message = "The created instance's disk would be too small.") : BuildAbortException(message, 400);

internal sealed class FlavorMemoryTooSmallException(string message = "Flavor's memory is too small for requested image.")
    : BuildAbortException(message, 400);

internal sealed class InvalidBdmException(string message = "Block Device Mapping is Invalid.") : BuildAbortException(message, 400);

internal sealed class NoMoreFixedIpsException(string message = "No fixed IP addresses available.") : BuildAbortException(message, 400);

internal sealed class PortLimitExceededException(string message = "Maximum number of ports exceeded") : BuildAbortException(message, 403);
