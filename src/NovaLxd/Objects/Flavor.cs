using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>What was bought: sizes and extra specs. Memory in MiB, disks in GiB, swap in MiB.</summary>
internal sealed class Flavor(JObject primitive) : NovaObject(primitive), INovaView<Flavor>
{
    public static string ObjectName => "Flavor";

    public static Flavor View(JObject primitive) => new(primitive);

    internal int Id
    {
        get => GetInt("id") ?? 0;
        set => Set("id", value);
    }

    internal string? Name
    {
        get => GetString("name");
        set => Set("name", value);
    }

    internal int MemoryMb
    {
        get => GetInt("memory_mb") ?? 0;
        set => Set("memory_mb", value);
    }

    internal int Vcpus
    {
        get => GetInt("vcpus") ?? 0;
        set => Set("vcpus", value);
    }

    internal int RootGb
    {
        get => GetInt("root_gb") ?? 0;
        set => Set("root_gb", value);
    }

    internal int EphemeralGb
    {
        get => GetInt("ephemeral_gb") ?? 0;
        set => Set("ephemeral_gb", value);
    }

    internal string FlavorId
    {
        get => GetText("flavorid");
        set => Set("flavorid", value);
    }

    internal int Swap
    {
        get => GetInt("swap") ?? 0;
        set => Set("swap", value);
    }

    internal double? RxtxFactor
    {
        get => GetDouble("rxtx_factor");
        set => Set("rxtx_factor", value);
    }

    internal int? VcpuWeight
    {
        get => GetInt("vcpu_weight");
        set => Set("vcpu_weight", value);
    }

    internal bool Disabled
    {
        get => GetBool("disabled");
        set => Set("disabled", value);
    }

    internal bool IsPublic
    {
        get => GetBool("is_public");
        set => Set("is_public", value);
    }

    internal StringMap ExtraSpecs => GetMap("extra_specs");

    internal string? Description
    {
        get => GetString("description");
        set => Set("description", value);
    }
}
