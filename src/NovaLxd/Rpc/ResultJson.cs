using Newtonsoft.Json.Linq;
using NovaLxd.Objects;
using NovaLxd.Operations;

namespace NovaLxd.Rpc;

/// <summary>Results of operations as they go into a reply.</summary>
internal static class ResultJson
{
    internal static JToken? Write(object? result) => result switch
    {
        null or None => null,
        NovaObject value => value.ToPrimitive(),
        JToken json => json,
        Vif vif => vif.ToJson(),
        string or bool or int or long or double => JToken.FromObject(result),
        IReadOnlyDictionary<string, string> map => JObject.FromObject(map),
        _ => throw new InvalidOperationException($"There is no wire form for a result of type {result.GetType()}."),
    };
}
