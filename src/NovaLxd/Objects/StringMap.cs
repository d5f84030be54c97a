using System.Collections;
using System.Diagnostics.CodeAnalysis;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>
/// A dictionary field of an object (metadata, system_metadata, extra_specs, stats). Writing marks the whole field as changed, because it travels and is
/// saved whole: a key that is missing is deleted.
/// </summary>
internal sealed class StringMap(NovaObject owner, string name) : IReadOnlyDictionary<string, string?>
{
    public int Count => Json?.Count ?? 0;

    public IEnumerable<string> Keys => Json?.Properties().Select(p => p.Name) ?? [];

    public IEnumerable<string?> Values => Json?.Properties().Select(p => Text(p.Value)) ?? [];

    private JObject? Json => owner.Get(name) as JObject;

    public string? this[string key]
    {
        get => TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"{owner.Kind}.{name} has no key {key}.");
        set
        {
            if (Json is { } json && json.TryGetValue(key, out var old) && Text(old) == value)
            {
                return;
            }

            if (Json is null)
            {
                owner.Set(name, new JObject());
            }

            Json![key] = value is null ? JValue.CreateNull() : value;
            owner.MarkChanged(name);
        }
    }

    /// <summary>The value, or null when there is none.</summary>
    internal string? Find(string key) => TryGetValue(key, out var value) ? value : null;

    internal bool Remove(string key)
    {
        if (Json?.Remove(key) != true)
        {
            return false;
        }

        owner.MarkChanged(name);
        return true;
    }

    public bool ContainsKey(string key) => Json?.ContainsKey(key) == true;

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out string? value)
    {
        if (Json is { } json && json.TryGetValue(key, out var token))
        {
            value = Text(token);
            return true;
        }

        value = null;
        return false;
    }

    public IEnumerator<KeyValuePair<string, string?>> GetEnumerator() =>
        (Json?.Properties() ?? []).Select(p => KeyValuePair.Create(p.Name, Text(p.Value))).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static string? Text(JToken value) => value.Type == JTokenType.Null ? null : value.ToString();
}
