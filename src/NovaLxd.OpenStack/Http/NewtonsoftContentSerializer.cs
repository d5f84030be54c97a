using System.Reflection;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Serialization;
using Refit;

namespace NovaLxd.OpenStack.Http;

/// <summary>Bodies by Newtonsoft.Json. The content is a byte array, so a request can be sent again.</summary>
internal sealed class NewtonsoftContentSerializer(string mediaType = "application/json") : IHttpContentSerializer
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    public HttpContent ToHttpContent<T>(T item)
    {
        var content = new ByteArrayContent(Utf8.GetBytes(JsonConvert.SerializeObject(item, OpenStackJson.Settings)));
        content.Headers.ContentType = new(mediaType);
        return content;
    }

    public async Task<T?> FromHttpContentAsync<T>(HttpContent content, CancellationToken cancellationToken = default)
    {
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        using var text = new StreamReader(stream, Utf8);
        await using var json = new JsonTextReader(text);
        return OpenStackJson.Serializer.Deserialize<T>(json);
    }

    public string? GetFieldNameForProperty(PropertyInfo propertyInfo) =>
        propertyInfo.GetCustomAttribute<JsonPropertyAttribute>()?.PropertyName
        ?? new SnakeCaseNamingStrategy().GetPropertyName(propertyInfo.Name, false);
}
