using System.Reflection;
using Newtonsoft.Json;
using Newtonsoft.Json.Serialization;

namespace NovaLxd.OpenStack.Http;

/// <summary>
/// How our records look on the wire: snake_case names, absent instead of null, and text that looks like a date left as text.
/// </summary>
internal static class OpenStackJson
{
    public static JsonSerializerSettings Settings { get; } = new()
    {
        ContractResolver = new Resolver(),
        NullValueHandling = NullValueHandling.Ignore,
        DateParseHandling = DateParseHandling.None,
        MetadataPropertyHandling = MetadataPropertyHandling.Ignore,
    };

    public static JsonSerializer Serializer { get; } = JsonSerializer.Create(Settings);

    private sealed class Resolver : DefaultContractResolver
    {
        // Dictionary keys are resource classes and uuids: they are not ours to rename.
        public Resolver() => NamingStrategy = new SnakeCaseNamingStrategy { ProcessDictionaryKeys = false };

        protected override JsonProperty CreateProperty(MemberInfo member, MemberSerialization memberSerialization)
        {
            var property = base.CreateProperty(member, memberSerialization);
            if (typeof(IOptional).IsAssignableFrom(property.PropertyType))
            {
                property.ShouldSerialize = holder => property.ValueProvider?.GetValue(holder) is IOptional { IsSet: true };
                property.NullValueHandling = NullValueHandling.Include;
            }

            return property;
        }
    }
}
