using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Rpc;

/// <summary>
/// Objects in requests come in the sender's version. A newer minor version (a 2026.1 API sends Instance 2.8, ImageMetaProps 1.42 ...) is used and
/// echoed as it came: minor versions only add fields, and the control plane knows what it sent. Another major version is another object; the conductor
/// is asked to bring the whole top object down (as nova-compute does for any newer version).
/// </summary>
internal sealed class IncomingObjects(ConductorClient conductor)
{
    /// <returns>The arguments themselves when all is understood, else a copy with what was brought down.</returns>
    internal async Task<JObject> UnderstandAsync(RequestContext context, JObject args, CancellationToken cancellationToken)
    {
        if (Understood(args))
        {
            return args;
        }

        var result = (JObject)args.DeepClone();
        foreach (var top in TopObjects(result).Where(o => !Understood(o)).ToList())
        {
            top.Replace(await conductor.BackportAsync(context, top, cancellationToken));
        }

        return result;
    }

    private bool Understood(JObject json) => json.DescendantsAndSelf().OfType<JObject>()
        .Where(IsObject).All(o => conductor.Manifest.Understands((string)o[NovaObject.NameKey]!, (string)o[NovaObject.VersionKey]!));

    private static IEnumerable<JObject> TopObjects(JToken token) => token switch
    {
        JObject json when IsObject(json) => [json],
        JContainer container => container.Children().SelectMany(TopObjects),
        _ => [],
    };

    private static bool IsObject(JObject json) =>
        json[NovaObject.NameKey]?.Type == JTokenType.String && json[NovaObject.VersionKey]?.Type == JTokenType.String;
}
