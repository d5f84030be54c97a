using NovaLxd.Objects;

namespace NovaLxd.Operations;

/// <summary>Arguments that name an instance: what fails is recorded on it, and its lock is taken.</summary>
internal interface IInstanceRequest
{
    Instance Instance { get; }
}

/// <summary>Arguments that name a migration (null from callers too old to send one).</summary>
internal interface IMigrationRequest
{
    Migration? Migration { get; }
}
