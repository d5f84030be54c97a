namespace NovaLxd.Virt;

/// <summary>A failure of this layer that callers tell apart. The message is for the person who asked: what was wrong, and what to do.</summary>
public abstract class VirtException(string message, Exception? inner = null) : Exception(message, inner);

public sealed class ContainerNotFoundException(Guid id) : VirtException($"Container {id} is not on this host.");

public sealed class ContainerExistsException(Guid id) : VirtException($"Container {id} is already on this host.");

/// <summary>The container is not in a state in which this can be done.</summary>
public sealed class ContainerStateException(string message) : VirtException(message);

/// <summary>The image is not what it should be: unknown format, wrong hash, truncated, hostile, too large, without an init.</summary>
public sealed class ImageRejectedException(string message, Exception? inner = null) : VirtException(message, inner);

public sealed class ImageNotFoundException(string key) : VirtException($"Image {key} has not been imported on this host.");

public sealed class OutOfSpaceException(string message, Exception? inner = null) : VirtException(message, inner);

/// <summary>Init could not be started, or was gone before it ran.</summary>
public class LaunchFailedException(string message, Exception? inner = null) : VirtException(message, inner);

/// <summary>The root file system has no init, or one that this host cannot execute: the image is at fault.</summary>
public sealed class NoInitException(string message, Exception? inner = null) : LaunchFailedException(message, inner);

public sealed class PortPlugException(string message, Exception? inner = null) : VirtException(message, inner);

/// <summary>The host cannot run containers; the message lists what is missing and how to get it.</summary>
public sealed class HostUnsuitableException(string message) : VirtException(message);
