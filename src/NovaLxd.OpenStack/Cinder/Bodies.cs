using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.OpenStack.Cinder;

/// <summary>An attachment of a volume to an instance.</summary>
public sealed record Attachment
{
    public string Id { get; init; } = "";
    public string? VolumeId { get; init; }
    public string? Instance { get; init; }

    /// <summary>reserved, attaching, attached, detaching ...</summary>
    public string? Status { get; init; }

    /// <summary>Flat here: driver_volume_type stands among the data.</summary>
    public JObject? ConnectionInfo { get; init; }
}

public sealed record AttachmentEnvelope(Attachment Attachment);

/// <param name="VolumeUuid">The volume.</param>
/// <param name="InstanceUuid">The instance.</param>
/// <param name="Connector">Where it goes (os-brick's connector properties); null reserves only, and is sent.</param>
public sealed record AttachmentCreate(
    string VolumeUuid, string InstanceUuid, [property: JsonProperty(NullValueHandling = NullValueHandling.Include)] JObject? Connector);

public sealed record AttachmentCreateEnvelope(AttachmentCreate Attachment);

public sealed record AttachmentUpdate(JObject Connector);

public sealed record AttachmentUpdateEnvelope(AttachmentUpdate Attachment);

/// <summary>The body of the action os-complete, which takes no argument.</summary>
public sealed record CompleteAttachment
{
    [JsonProperty("os-complete", NullValueHandling = NullValueHandling.Include)]
    public string? Argument { get; init; }
}

public sealed record Volume
{
    public string Id { get; init; } = "";
    public string? Status { get; init; }

    /// <summary>GiB.</summary>
    public int Size { get; init; }

    public bool Multiattach { get; init; }

    /// <summary>Whether the backend shares targets between volumes, so that connecting has to be serialised (3.48).</summary>
    public bool? SharedTargets { get; init; }

    public string? ServiceUuid { get; init; }

    [JsonExtensionData]
    public IDictionary<string, JToken> Extra { get; init; } = new Dictionary<string, JToken>();
}

public sealed record VolumeEnvelope(Volume Volume);
