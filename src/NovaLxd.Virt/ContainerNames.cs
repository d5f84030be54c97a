namespace NovaLxd.Virt;

/// <summary>Names are unique on a host (they are those of the cgroups), also among containers that are being made at the same time.</summary>
internal sealed class ContainerNames(ContainerStore store)
{
    private readonly Dictionary<string, Guid> _claimed = new(StringComparer.Ordinal);

    /// <summary>Holds the name until disposal; by then the record has it, or nobody.</summary>
    /// <exception cref="ContainerStateException">Another container has it.</exception>
    public IDisposable Claim(string name, Guid id)
    {
        lock (_claimed)
        {
            var owner = store.Records.FirstOrDefault(record => record.Spec.Name == name)?.Id;
            if (owner is not null || !_claimed.TryAdd(name, id))
            {
                throw new ContainerStateException($"The name {name} belongs to container {owner ?? _claimed[name]} on this host.");
            }
        }

        return new Claimed(this, name);
    }

    private void Release(string name)
    {
        lock (_claimed)
        {
            _claimed.Remove(name);
        }
    }

    private sealed class Claimed(ContainerNames names, string name) : IDisposable
    {
        public void Dispose() => names.Release(name);
    }
}
