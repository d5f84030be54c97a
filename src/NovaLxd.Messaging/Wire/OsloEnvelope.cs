using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging.Wire;

/// <summary>A body that cannot be understood; such a message is rejected and not requeued.</summary>
internal sealed class MalformedMessageException : Exception
{
    public MalformedMessageException() { }

    public MalformedMessageException(string message) : base(message) { }

    public MalformedMessageException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>
/// Envelope 2.0 of oslo.messaging: a JSON object of version and, as a string, the JSON of the payload. A body without the two keys is the
/// payload itself, which oslo calls format 1.0.
/// </summary>
internal static class OsloEnvelope
{
    private const string Version = "2.0";
    private const string VersionKey = "oslo.version";
    private const string MessageKey = "oslo.message";

    public static byte[] Wrap(JObject payload) =>
        Unwrapped(new JObject { [VersionKey] = Version, [MessageKey] = OsloJson.Serialize(payload) });

    /// <summary>Format 1.0.</summary>
    public static byte[] Unwrapped(JObject payload) => Encoding.UTF8.GetBytes(OsloJson.Serialize(payload));

    /// <summary>The payload of a body.</summary>
    /// <exception cref="MalformedMessageException">Not JSON, not an object, or an envelope newer than ours.</exception>
    public static JObject Open(ReadOnlySpan<byte> body)
    {
        try
        {
            var outer = OsloJson.Parse(Encoding.UTF8.GetString(body));
            if (outer is JObject envelope && envelope[VersionKey] is { } version && envelope[MessageKey] is { } message)
            {
                if (!RpcVersion.IsCompatible(Version, version.ToString()))
                {
                    throw new MalformedMessageException($"envelope version {version} is not supported, ours is {Version}");
                }

                outer = OsloJson.Parse(message.ToString());
            }

            return outer as JObject ?? throw new MalformedMessageException($"the payload is not an object but {outer.Type}");
        }
        catch (JsonException e)
        {
            throw new MalformedMessageException($"the body is not JSON: {e.Message}", e);
        }
    }
}
