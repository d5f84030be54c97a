using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Tests;

/// <summary>Recordings of a real Nova (tests/wire), copied beside the tests.</summary>
internal static class Recorded
{
    internal static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "wire", name);

    internal static string[] Lines(string name) => File.ReadAllLines(PathOf(name));

    internal static JToken Json(string name) => WireJson.Parse(File.ReadAllText(PathOf(name)));

    /// <summary>A recorded object of this kind with all these fields, the first that fits.</summary>
    internal static T Object<T>(string release, params string[] fields) where T : NovaObject, INovaView<T> =>
        Lines($"objects/{release}.jsonl").Select(WireJson.ParseObject)
            .Where(o => (string?)o["nova_object.name"] == T.ObjectName)
            .Select(NovaObject.As<T>)
            .First(o => fields.All(o.IsSet));
}
