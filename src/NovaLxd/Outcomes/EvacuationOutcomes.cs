using Newtonsoft.Json.Linq;

namespace NovaLxd.Outcomes;

/// <summary>This host has the instance already, or what an earlier attempt left of it.</summary>
internal sealed class InstanceExistsException(string uuid) : OutcomeException($"Instance {uuid} already exists on this host.")
{
    internal override JObject Details => new() { ["name"] = uuid };
}

/// <summary>The sender says that the instance's files are where this host can read them, and they are not.</summary>
internal sealed class InvalidSharedStorageException() : OutcomeException("Invalid state of instance files on shared storage");
