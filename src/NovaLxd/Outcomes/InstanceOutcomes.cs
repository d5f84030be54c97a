using Newtonsoft.Json.Linq;

namespace NovaLxd.Outcomes;

/// <summary>The instance is gone (deleted meanwhile), or was never here.</summary>
internal sealed class InstanceNotFoundException(string message) : OutcomeException(message, 404)
{
    internal static InstanceNotFoundException For(string uuid) => new($"There is no instance {uuid}.");

    internal static InstanceNotFoundException For(Guid id) => For(id.ToString());
}

/// <summary>Somebody else moved the instance on: its task_state is not the one that was expected. Whoever sees this stops and leaves it alone.</summary>
internal class UnexpectedTaskStateException(string message) : OutcomeException(message)
{
    internal JToken? Expected { get; init; }

    internal JToken? Actual { get; init; }

    internal override JObject Details => new() { ["expected"] = Expected?.DeepClone(), ["actual"] = Actual?.DeepClone() };
}

/// <summary>The instance is being deleted: stop quietly.</summary>
internal sealed class UnexpectedDeletingTaskStateException(string message) : UnexpectedTaskStateException(message);

/// <summary>The operation does not apply to the instance as it is.</summary>
/// <param name="uuid">Of the instance.</param>
/// <param name="attribute">"vm_state", "task_state" or "power_state".</param>
/// <param name="state">Its value.</param>
/// <param name="method">What was asked for, as a verb ("pause").</param>
internal sealed class InstanceInvalidStateException(string uuid, string attribute, string? state, string method)
    : OutcomeException($"Cannot {method} instance {uuid}: its {attribute} is {state ?? "None"}.", 400)
{
    internal override JObject Details => new() { ["instance_uuid"] = uuid, ["attr"] = attribute, ["state"] = state, ["method"] = method };
}

/// <summary>The instance is still being made.</summary>
internal sealed class InstanceNotReadyException(string uuid) : OutcomeException($"Instance {uuid} is still being built.", 400);

internal sealed class InstanceNotRunningException(string uuid) : OutcomeException($"Instance {uuid} does not run.", 400);

/// <summary>The guest could not be stopped; its ports and disks must be left alone.</summary>
internal sealed class InstancePowerOffFailureException(string reason, Exception? inner = null)
    : OutcomeException($"The instance could not be powered off: {reason}", 400, inner);

/// <summary>The administrator's password is what it was. The reason never says anything of the password, nor what the guest printed.</summary>
internal sealed class InstancePasswordSetFailedException(string uuid, string reason, Exception? inner = null)
    : OutcomeException($"Failed to set admin password on {uuid} because {reason}", 500, inner);

/// <summary>The rescue image could not be had or booted.</summary>
internal sealed class InstanceNotRescuableException(string uuid, string reason, Exception? inner = null)
    : OutcomeException($"Instance {uuid} cannot be rescued: {reason}", 400, inner);

/// <summary>No action belongs to the request: the event cannot be recorded and the operation is not begun.</summary>
internal sealed class InstanceActionNotFoundException(string message) : OutcomeException(message);

/// <summary>The operation failed but the instance is as it was: its state goes back, and <see cref="Exception.InnerException"/> is what happened.</summary>
internal sealed class InstanceFaultRollbackException(Exception inner)
    : OutcomeException($"Rolled back: {inner.Message}", inner is OutcomeException outcome ? outcome.Code : 500, inner);
