using System.Globalization;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// What a flavor and its extra specs limit (nova/virt/libvirt/vif.py and driver.py for <c>quota:*</c>; nova-lxd's flavor.py for <c>lxd:*</c>). Pure.
/// A value that is not a number of the right kind aborts the build with the key in the message: no other host would read it differently.
/// </summary>
internal static class FlavorLimits
{
    private const long MaxCpuShares = 262144;

    /// <param name="flavor">vcpus, memory_mb, extra specs.</param>
    /// <param name="pidsLimit">The operator's limit of processes; 0: none.</param>
    /// <param name="cpuSet">Processors that instances may use, in cpuset form; null: all.</param>
    public static ResourceLimits Limits(Flavor flavor, long pidsLimit, string? cpuSet)
    {
        var specs = new ExtraSpecs(flavor);
        var total = specs.Number("quota:disk_total_bytes_sec");
        var totalOperations = specs.Number("quota:disk_total_iops_sec");
        return new ResourceLimits
        {
            Cpus = flavor.Vcpus,
            CpuQuotaMicroseconds = specs.Number("quota:cpu_quota"),
            CpuPeriodMicroseconds = specs.Number("quota:cpu_period"),
            CpuShares = specs.Number("quota:cpu_shares") ?? Math.Min(1024L * flavor.Vcpus, MaxCpuShares),
            CpuSet = cpuSet,
            MemoryBytes = (long)flavor.MemoryMb << 20,
            SwapBytes = (long)flavor.Swap << 20,
            Pids = pidsLimit > 0 ? pidsLimit : null,
            DiskReadBytesPerSecond = specs.Number("quota:disk_read_bytes_sec") ?? total,
            DiskWriteBytesPerSecond = specs.Number("quota:disk_write_bytes_sec") ?? total,
            DiskReadOperationsPerSecond = specs.Number("quota:disk_read_iops_sec") ?? totalOperations,
            DiskWriteOperationsPerSecond = specs.Number("quota:disk_write_iops_sec") ?? totalOperations,
        };
    }

    /// <summary><c>lxd:nested_allowed</c> and <c>lxd:privileged_allowed</c>; a privileged container needs the operator's word as well.</summary>
    public static SecuritySpec Security(Flavor flavor, bool allowPrivileged)
    {
        var specs = new ExtraSpecs(flavor);
        var privileged = specs.Flag("lxd:privileged_allowed");
        if (privileged && !allowPrivileged)
        {
            throw new BuildAbortException(
                $"Flavor {flavor.Name} asks for a privileged container (lxd:privileged_allowed) and this host does not allow them: " +
                "the operator can, with [lxd] allow_privileged; or remove the extra spec.");
        }

        return new SecuritySpec { Privileged = privileged, Nesting = specs.Flag("lxd:nested_allowed") };
    }

    /// <summary><c>quota:vif_inbound_*</c> and <c>quota:vif_outbound_*</c>: kilobytes a second, kilobytes.</summary>
    public static (PortRate? Inbound, PortRate? Outbound) PortRates(Flavor flavor)
    {
        var specs = new ExtraSpecs(flavor);
        PortRate? Rate(string direction) => specs.Number($"quota:vif_{direction}_average") is { } average
            ? new PortRate(average, specs.Number($"quota:vif_{direction}_peak"), specs.Number($"quota:vif_{direction}_burst"))
            : null;
        return (Rate("inbound"), Rate("outbound"));
    }

    private readonly struct ExtraSpecs(Flavor flavor)
    {
        private readonly StringMap? _specs = flavor.IsSet("extra_specs") ? flavor.ExtraSpecs : null;

        public long? Number(string key) => _specs?.Find(key) switch
        {
            null => null,
            var text when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= 0 => value,
            var text => throw new BuildAbortException($"Flavor {flavor.Name}: {key} = {text}: expected a whole number that is not negative."),
        };

        public bool Flag(string key) => _specs?.Find(key)?.ToLowerInvariant() switch
        {
            null or "" or "false" or "no" or "off" or "0" => false,
            "true" or "yes" or "on" or "1" => true,
            var text => throw new BuildAbortException($"Flavor {flavor.Name}: {key} = {text}: expected true or false."),
        };
    }
}
