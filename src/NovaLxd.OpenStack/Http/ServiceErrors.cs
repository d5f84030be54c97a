using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using Refit;

namespace NovaLxd.OpenStack.Http;

/// <summary>
/// Turns answers that are no success into our exceptions. Three shapes of body are known: <c>{"errors": [{code, detail, title}]}</c>
/// (Placement), <c>{"NeutronError": {type, message, detail}}</c>, <c>{"WORD": {message, code, title}}</c> (Keystone, Cinder); Glance answers HTML.
/// </summary>
internal static partial class ServiceErrors
{
    private const int MaxBody = 64 * 1024;

    public static RefitSettings Settings(string service, string mediaType = "application/json") => new(new NewtonsoftContentSerializer(mediaType))
    {
        // Bodies with a length: uwsgi, behind which Keystone and Placement usually run, takes a chunked body for an empty one.
        Buffered = true,
        ExceptionFactory = response => FromResponseAsync(service, response),
        // Our handlers already speak in our exceptions; Refit would put them into an ApiException.
        TransportExceptionFactory = (_, exception, _) => exception,
    };

    public static async ValueTask<Exception?> FromResponseAsync(string service, HttpResponseMessage response)
    {
        if (response.IsSuccessStatusCode)
            return null;
        var body = await ReadBodyAsync(response.Content);
        var requestId = response.Headers.TryGetValues("x-openstack-request-id", out var ids) ? ids.FirstOrDefault() : null;
        var (code, message) = Describe(body, response.ReasonPhrase);
        return service switch
        {
            "neutron" => new Neutron.NeutronException(response.StatusCode, message, body, requestId, code),
            _ => new OpenStackHttpException(service, response.StatusCode, message, body, requestId, code),
        };
    }

    private static (string? Code, string Message) Describe(string body, string? reason)
    {
        if (TryParse(body) is { } json)
        {
            if (json["errors"] is JArray { Count: > 0 } errors && errors[0] is JObject error)
                return ((string?)error["code"], OneLine((string?)error["detail"] ?? (string?)error["title"] ?? ""));
            if (json["NeutronError"] is { } neutron)
                return neutron is JObject fault ? ((string?)fault["type"], Join((string?)fault["message"], (string?)fault["detail"])) : (null, neutron.ToString());
            if (json.Properties().FirstOrDefault()?.Value is JObject named && named["message"] is { } message)
                return ((string?)named["title"], OneLine(message.ToString()));
            if ((string?)json["message"] is { } plain)
                return (null, plain);
        }

        var text = OneLine(WebUtility.HtmlDecode(Tags().Replace(body, " ")));
        return (null, text.Length == 0 ? reason ?? "no reason given" : text.Length > 500 ? text[..500] + "..." : text);
    }

    /// <summary>Placement and Glance break their sentences over lines, which a log must not.</summary>
    private static string OneLine(string text) => Spaces().Replace(text, " ").Trim();

    private static string Join(string? message, string? detail) => string.IsNullOrEmpty(detail) ? OneLine(message ?? "") : OneLine($"{message} {detail}");

    private static JObject? TryParse(string body)
    {
        if (!body.StartsWith('{'))
            return null;
        try
        {
            return JsonConvert.DeserializeObject<JObject>(body, OpenStackJson.Settings);
        }
        catch (JsonException)
        {
            return null; // Not JSON after all: shown as text.
        }
    }

    private static async Task<string> ReadBodyAsync(HttpContent content)
    {
        try
        {
            await using var stream = await content.ReadAsStreamAsync();
            var buffer = new byte[MaxBody];
            var read = await stream.ReadAtLeastAsync(buffer, MaxBody, throwOnEndOfStream: false);
            return Encoding.UTF8.GetString(buffer, 0, read).Trim();
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return $"(the body could not be read: {e.Message})"; // The status is what counts.
        }
    }

    [GeneratedRegex("<[^>]+>")]
    private static partial Regex Tags();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
