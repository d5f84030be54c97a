using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Instances;

/// <summary>
/// What a flavor or an image asks for that belongs to a machine of its own, and that a container on a shared kernel cannot have: such a server is refused rather than
/// started without it (extra specs of nova/virt/hardware.py and nova/virt/libvirt/driver.py). Pure.
/// </summary>
internal static class FlavorChecks
{
    private const string NoPinning = "this host does not pin processors: use quota:cpu_shares or quota:cpu_quota, or leave it out";
    private const string NoTopology = "this host does not lay instances out over NUMA nodes: leave it out";
    private const string NoDevice = "a container has no such device: leave it out";
    private const string NoEncryption = "the memory of a container is the host's: leave it out";

    private static readonly Dictionary<string, string> Refused = new()
    {
        ["hw:cpu_dedicated_mask"] = NoPinning,
        ["hw:cpu_thread_policy"] = NoPinning,
        ["hw:numa_nodes"] = NoTopology,
        ["hw:pci_numa_affinity_policy"] = NoTopology,
        ["hw:mem_encryption"] = NoEncryption,
        ["hw:pmem"] = NoDevice,
        ["hw:tpm_version"] = NoDevice,
        ["pci_passthrough:alias"] = "this host does not pass PCI devices through: leave it out",
    };

    /// <exception cref="BuildAbortException">The first extra spec, or image property, that cannot be honoured, with the reason.</exception>
    public static void Check(Instance instance)
    {
        Check(instance.Flavor);

        // The same wishes, as an image has them.
        foreach (var (key, value) in instance.ImageProperties)
        {
            Refuse("The image", key, value, key.StartsWith("hw_", StringComparison.Ordinal) ? Reason("hw:" + key["hw_".Length..], value) : null);
        }
    }

    /// <exception cref="BuildAbortException">The first extra spec that cannot be honoured, with the reason.</exception>
    public static void Check(Flavor flavor)
    {
        if (flavor.IsSet("extra_specs") && flavor.ExtraSpecs is { } specs)
        {
            foreach (var (key, value) in specs)
            {
                Refuse($"Flavor {flavor.Name}", key, value, Reason(key, value));
            }
        }
    }

    private static void Refuse(string whose, string key, string? value, string? reason)
    {
        if (reason is not null)
        {
            throw new BuildAbortException($"{whose} asks for {key} = {value} and {reason}.");
        }
    }

    private static string? Reason(string key, string? value) => key switch
    {
        "hw:cpu_policy" => value == "shared" ? null : NoPinning,
        // A page of the usual size is what every process has; larger ones a process asks of the kernel for itself.
        "hw:mem_page_size" => value is "small" or "any" ? null : "the pages of a container's memory are the kernel's choice: use small or any, or leave it out",
        "hw:secure_boot" or "hw:boot_menu" or "hw:locked_memory" => value?.ToLowerInvariant() is "disabled" or "optional" or "false" or "no" ? null : NoDevice,
        _ => Refused.GetValueOrDefault(key),
    };
}
