namespace NovaLxd.OpenStack.Placement.Models;

/// <summary>
/// How much of a resource class a provider has. Units are the class's own (VCPU: CPUs, MEMORY_MB: MiB, DISK_GB: GiB). Fields left null
/// get Placement's defaults and are not compared with what it has.
/// </summary>
public sealed record Inventory(int Total)
{
    public int? MinUnit { get; init; }
    public int? MaxUnit { get; init; }
    public int? StepSize { get; init; }
    public double? AllocationRatio { get; init; }
    public int? Reserved { get; init; }

    /// <summary>Whether what we want differs from what Placement has (nova/compute/provider_tree.py: has_inventory_changed).</summary>
    internal bool DiffersFrom(Inventory current) =>
        Total != current.Total || Differs(MinUnit, current.MinUnit) || Differs(MaxUnit, current.MaxUnit) || Differs(StepSize, current.StepSize)
        || Differs(Reserved, current.Reserved) || (AllocationRatio is { } ratio && ratio != current.AllocationRatio);

    private static bool Differs(int? wanted, int? current) => wanted is not null && wanted != current;
}
