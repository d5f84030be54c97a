using NovaLxd.OpenStack.Placement.Models;

namespace NovaLxd.OpenStack.Placement;

/// <summary>Adding to and taking from a consumer's allocations. Pure.</summary>
internal static class AllocationArithmetic
{
    public static ConsumerAllocations Add(ConsumerAllocations present, IReadOnlyDictionary<string, AllocatedResources> added) =>
        Combine(present, added, (has, more) => has + more);

    public static ConsumerAllocations Subtract(string consumer, ConsumerAllocations present, IReadOnlyDictionary<string, AllocatedResources> taken)
    {
        foreach (var (provider, resources) in taken)
        {
            foreach (var (resourceClass, amount) in resources.Resources)
            {
                var has = present.Allocations.GetValueOrDefault(provider)?.Resources.GetValueOrDefault(resourceClass) ?? 0;
                if (has < amount)
                    throw new InvalidOperationException($"{amount} {resourceClass} cannot be taken from consumer {consumer}: it has {has} of the provider {provider}.");
            }
        }

        return Combine(present, taken, (has, less) => has - less);
    }

    private static ConsumerAllocations Combine(
        ConsumerAllocations present, IReadOnlyDictionary<string, AllocatedResources> other, Func<int, int, int> combine)
    {
        var result = present.Allocations.ToDictionary(a => a.Key, a => a.Value.Resources.ToDictionary());
        foreach (var (provider, resources) in other)
        {
            if (!result.TryGetValue(provider, out var amounts))
                result[provider] = amounts = [];
            foreach (var (resourceClass, amount) in resources.Resources)
            {
                amounts[resourceClass] = combine(amounts.GetValueOrDefault(resourceClass), amount);
                // Placement refuses an amount of 0 and a provider without amounts.
                if (amounts[resourceClass] == 0)
                    amounts.Remove(resourceClass);
            }
        }

        return present with { Allocations = result.Where(r => r.Value.Count > 0).ToDictionary(r => r.Key, r => new AllocatedResources(r.Value)) };
    }
}
