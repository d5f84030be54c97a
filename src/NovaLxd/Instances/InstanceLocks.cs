using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// One lock for each instance that something is being done to. A build holds its instance's for the whole time, so that a delete that arrives meanwhile waits.
/// </summary>
internal sealed class InstanceLocks
{
    private readonly KeyedLock<string> _locks = new();

    /// <summary>Instances locked or waited for.</summary>
    internal int Count => _locks.Count;

    /// <summary>Waits for the lock; disposing what is returned lets the next one in.</summary>
    internal Task<IDisposable> AcquireAsync(string instanceUuid, CancellationToken cancellationToken) => _locks.EnterAsync(instanceUuid, cancellationToken);
}
