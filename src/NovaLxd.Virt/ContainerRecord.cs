using System.Text.Json.Serialization;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt;

/// <summary>What a container is, on disk (container.json): written when it is made and when it is rescued or that ends, and safe from a power failure once it is created.</summary>
internal sealed record ContainerRecord
{
    public required Guid Id { get; init; }

    /// <summary>Without the injected files and those of the drive (<see cref="ContainerSpec.WithoutContent"/>).</summary>
    public required ContainerSpec Spec { get; init; }

    /// <summary>Null: privileged.</summary>
    public IdMap? IdMap { get; init; }

    /// <summary>While it is rescued; null: it boots its own root.</summary>
    public RescueRecord? Rescue { get; init; }

    /// <summary>False while it is being made: what a killed service left is taken away by the next one.</summary>
    public bool Created { get; init; }

    [JsonIgnore]
    public ContainerSituation Situation { get; init; } = new();
}

/// <summary>A root above another image is booted in place of the container's own.</summary>
internal sealed record RescueRecord(string ImageKey);

/// <summary>
/// What a container has on the host just now, on disk (state.json). Written before the host is changed, so that it names at least what is there; survives
/// the death of the service, and after a power failure at worst lacks the last seconds, when all it names has gone anyway.
/// </summary>
internal sealed record ContainerSituation
{
    /// <summary>Ports in order, eth0 first.</summary>
    public IReadOnlyList<PortSpec> Ports { get; init; } = [];

    /// <summary>What the ports are called inside, by port id (<see cref="Virt.GuestNames"/>); null in records from before it was written down.</summary>
    public IReadOnlyDictionary<Guid, string>? GuestNames { get; init; }

    /// <summary>Ports that were taken from it and may still be plugged.</summary>
    public IReadOnlyList<PortSpec> FormerPorts { get; init; } = [];

    /// <summary>The boot of the host (/proc/sys/kernel/random/boot_id) in which the ports may have got a host side; null: they have none.</summary>
    public string? PluggedInBoot { get; init; }

    /// <summary>The boot in which it was started; null when it is stopped.</summary>
    public string? RunningInBoot { get; init; }

    /// <summary>Whether it may be frozen by an export rather than by its user, and is to be thawed when nobody exports it any more.</summary>
    public bool FrozenForExport { get; init; }

    /// <summary>How it ended last.</summary>
    public string? LastExit { get; init; }

    /// <summary>Whether that end was a fault.</summary>
    public bool Crashed { get; init; }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ContainerRecord))]
[JsonSerializable(typeof(ContainerSituation))]
internal sealed partial class ContainerRecordJson : JsonSerializerContext;
