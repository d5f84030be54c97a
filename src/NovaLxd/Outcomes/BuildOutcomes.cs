namespace NovaLxd.Outcomes;

/// <summary>The build cannot succeed on any host: error state, no other attempt.</summary>
internal class BuildAbortException(string message, int code = 500, Exception? inner = null) : OutcomeException(message, code, inner)
{
    internal static BuildAbortException For(string instanceUuid, string reason, Exception? inner = null) =>
        new($"Instance {instanceUuid} cannot be built: {reason}", 500, inner);
}

/// <summary>The build may succeed on another host.</summary>
internal class RescheduledException(string instanceUuid, string reason, Exception? inner = null)
    : OutcomeException($"Instance {instanceUuid} is to be built on another host: {reason}", 500, inner)
{
    internal string Reason { get; } = reason;
}

/// <summary>This host was ruled out by a server group; that is no fault of the host.</summary>
internal sealed class RescheduledByPolicyException(string instanceUuid, string reason) : RescheduledException(instanceUuid, reason);

/// <summary>The host is full.</summary>
internal sealed class ComputeResourcesUnavailableException(string reason)
    : OutcomeException($"This host has not enough of what is asked for: {reason}.", 400);

/// <summary>This host cannot read what an instance is to be told of itself.</summary>
internal sealed class MetadataUnavailableException(string message, Exception? inner = null) : OutcomeException(message, 500, inner);

/// <summary>The port was not plugged in time, or Neutron said that it could not.</summary>
internal sealed class VirtualInterfaceCreateException(string message, Exception? inner = null) : BuildAbortException(message, 500, inner);

/// <summary>The image cannot be used as the root of an instance.</summary>
internal sealed class ImageUnacceptableException(string imageId, string reason, Exception? inner = null)
    : BuildAbortException($"Image {imageId} cannot be used: {reason}", 400, inner);

internal sealed class ImageNotFoundException(string imageId) : OutcomeException($"There is no image {imageId}.", 404);

internal sealed class ImageNotActiveException(string imageId) : BuildAbortException($"Image {imageId} is not active.");

internal sealed class FlavorDiskTooSmallException(string message) : BuildAbortException(message);

internal sealed class FlavorMemoryTooSmallException(string message) : BuildAbortException(message);

/// <summary>A block device mapping that cannot be followed.</summary>
internal sealed class InvalidBdmException(string message, Exception? inner = null) : BuildAbortException(message, 400, inner);
