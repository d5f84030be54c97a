using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests;

/// <summary>Excerpts of what a real Nova sent and declared, from tests/wire/messaging.</summary>
internal static class Recorded
{
    public static JObject Topology(string release) => (JObject)Load("topology.json")[release]!;

    /// <summary>The payload of a recorded message.</summary>
    public static JObject Payload(string name) => (JObject)Load("messages.json")[name]!["body"]!["oslo.message"]!;

    /// <summary>The body as it was on the wire: the payload is a text inside the JSON.</summary>
    public static byte[] Body(string name) => OsloEnvelope.Unwrapped(new JObject
    {
        ["oslo.version"] = "2.0",
        ["oslo.message"] = Payload(name).ToString(Formatting.None),
    });

    private static JObject Load(string file) =>
        (JObject)OsloJson.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "wire", file)));
}
