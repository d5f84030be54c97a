using System.Globalization;
using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>How a view of one kind of object is made, and what Nova calls the kind.</summary>
internal interface INovaView<TSelf> where TSelf : NovaObject, INovaView<TSelf>
{
    static abstract string ObjectName { get; }

    static abstract TSelf View(JObject primitive);
}

/// <summary>
/// Typed view over a versioned object as it travels (oslo.versionedobjects: keys <c>nova_object.name</c>, <c>.namespace</c>, <c>.version</c>,
/// <c>.data</c>, <c>.changes</c>). Fields and versions that we do not know stay as they came and go back so.
/// <para>
/// A field that is absent was not loaded, which is not the same as null: reading it throws <see cref="FieldNotLoadedException"/>. Setters record the
/// change, and the receiver of a save trusts only that record. Not safe for use by several threads: the instance's lock gives it one owner.
/// </para>
/// </summary>
internal abstract class NovaObject
{
    internal const string NameKey = "nova_object.name";
    internal const string NamespaceKey = "nova_object.namespace";
    internal const string VersionKey = "nova_object.version";
    internal const string DataKey = "nova_object.data";
    internal const string ChangesKey = "nova_object.changes";

    private readonly Dictionary<string, object> _views = [];

    /// <exception cref="FormatException">The JSON is not a versioned object of Nova's namespace.</exception>
    protected NovaObject(JObject primitive)
    {
        if (primitive[NameKey]?.Type != JTokenType.String || primitive[VersionKey]?.Type != JTokenType.String || primitive[DataKey] is not JObject)
        {
            throw new FormatException($"Not a versioned object: expected {NameKey}, {VersionKey} and {DataKey}, found the keys " +
                $"{string.Join(", ", primitive.Properties().Select(p => p.Name))}.");
        }

        if ((string?)primitive[NamespaceKey] != "nova")
        {
            throw new FormatException($"{(string?)primitive[NameKey]} is of namespace {(string?)primitive[NamespaceKey] ?? "(none)"}, not of nova.");
        }

        Primitive = primitive;
    }

    /// <summary>The object as it is kept; for the wire use <see cref="ToPrimitive"/>, which also tells of changes inside nested objects.</summary>
    internal JObject Primitive { get; }

    /// <summary>"Instance", "Flavor" ...</summary>
    internal string Kind => (string)Primitive[NameKey]!;

    /// <summary>"2.7"; of an object we received the sender's.</summary>
    internal string KindVersion => (string)Primitive[VersionKey]!;

    protected JObject Data => (JObject)Primitive[DataKey]!;

    internal DateTimeOffset? CreatedAt => GetTime("created_at");

    internal DateTimeOffset? UpdatedAt => GetTime("updated_at");

    internal DateTimeOffset? DeletedAt => GetTime("deleted_at");

    /// <summary>Whether the field was loaded (it may be null all the same).</summary>
    internal bool IsSet(string field) => Data.ContainsKey(field);

    /// <summary>Names of the fields set since load, and of those whose nested object has changes of its own.</summary>
    internal IReadOnlySet<string> Changes => WhatChanged(Primitive);

    /// <summary>Forgets the changes, here and in nested objects: what is here is what the database has.</summary>
    internal void ResetChanges()
    {
        foreach (var nested in Primitive.DescendantsAndSelf().OfType<JObject>().Where(o => o.ContainsKey(NameKey)).ToList())
        {
            nested.Remove(ChangesKey);
        }
    }

    /// <summary>
    /// Takes over what a remote method changed: the values replace ours (also those of fields we have no property for) and nothing counts as
    /// changed any more. Conductors list nested objects as changed which only kept their list from the database, so the list is not believed.
    /// </summary>
    internal void ApplyUpdates(JObject updates)
    {
        foreach (var (field, value) in updates)
        {
            if (field != "obj_what_changed")
            {
                Store(field, value!.DeepClone());
            }
        }

        ResetChanges();
    }

    /// <summary>A copy for the wire, <c>nova_object.changes</c> complete.</summary>
    internal JObject ToPrimitive()
    {
        var copy = (JObject)Primitive.DeepClone();
        WriteChanges(copy);
        return copy;
    }

    /// <summary>Puts a value into a field and records the change.</summary>
    internal void Set(string field, JToken? value)
    {
        Store(field, value ?? JValue.CreateNull());
        MarkChanged(field);
    }

    internal void SetTime(string field, DateTimeOffset? value) => Set(field, value is { } time ? WireTime.Format(time) : (JToken?)null);

    /// <summary>Puts a copy of an object (or null) into a field; what is changed later is changed on the view that the field gives back.</summary>
    internal void SetObject(string field, NovaObject? value) => Set(field, value?.ToPrimitive());

    /// <summary>Says that a value was changed in place (a dictionary, or a nested structure).</summary>
    internal void MarkChanged(string field)
    {
        if (Primitive[ChangesKey] is not JArray changes)
        {
            Primitive[ChangesKey] = changes = [];
        }

        if (!changes.Any(c => (string?)c == field))
        {
            changes.Add(field);
        }
    }

    /// <summary>Says that the database has what the field has, although it was set here.</summary>
    internal void Forget(string field)
    {
        (Primitive[ChangesKey] as JArray)?.FirstOrDefault(c => (string?)c == field)?.Remove();
        foreach (var nested in NestedObjects(Get(field)))
        {
            nested.Remove(ChangesKey);
        }
    }

    /// <summary>Copies a field that another load of the same object has; that is no change.</summary>
    internal void TakeOver(string field, NovaObject other) => Store(field, other.Get(field).DeepClone());

    /// <summary>Removes a field, as if it had never been loaded.</summary>
    internal void Unset(string field)
    {
        Data.Remove(field);
        _views.Remove(field);
        (Primitive[ChangesKey] as JArray)?.FirstOrDefault(c => (string?)c == field)?.Remove();
    }

    internal JToken Get(string field) => Data[field] ?? throw new FieldNotLoadedException(Kind, field);

    internal string? GetString(string field) =>
        Get(field) is { Type: not JTokenType.Null } value ? ((JValue)value).ToString(CultureInfo.InvariantCulture) : null;

    internal string GetText(string field) => GetString(field) ?? throw new FormatException($"{Kind}.{field} is null.");

    internal int? GetInt(string field) => (int?)GetLong(field);

    internal long? GetLong(string field) => Get(field) is { Type: not JTokenType.Null } value ? value.Value<long>() : null;

    internal double? GetDouble(string field) => Get(field) is { Type: not JTokenType.Null } value ? value.Value<double>() : null;

    internal bool GetBool(string field) => Get(field) is { Type: not JTokenType.Null } value && value.Value<bool>();

    /// <summary>Null also when the field was not loaded: times are asked for in passing (created_at of any object).</summary>
    internal DateTimeOffset? GetTime(string field) => Data[field] is { Type: not JTokenType.Null } value ? WireTime.Parse((string)value!) : null;

    /// <summary>The nested object, or null; the view returned writes through.</summary>
    internal T? GetObject<T>(string field) where T : NovaObject, INovaView<T>
    {
        if (_views.TryGetValue(field, out var known))
        {
            return (T)known;
        }

        if (Get(field) is not JObject nested)
        {
            return null;
        }

        var view = As<T>(nested);
        _views[field] = view;
        return view;
    }

    /// <summary>The nested objects of a list field; a snapshot of the list, but each view writes through.</summary>
    internal IReadOnlyList<T> GetObjects<T>(string field) where T : NovaObject, INovaView<T>
    {
        if (_views.TryGetValue(field, out var known))
        {
            return (IReadOnlyList<T>)known;
        }

        var views = Get(field) is JArray nested ? nested.Cast<JObject>().Select(As<T>).ToList() : [];
        _views[field] = views;
        return views;
    }

    internal void SetObjects<T>(string field, IEnumerable<T> values) where T : NovaObject =>
        Set(field, new JArray(values.Select(v => v.ToPrimitive())));

    internal IReadOnlyList<string> GetStrings(string field) => Get(field) is JArray list ? list.Select(v => (string)v!).ToList() : [];

    /// <summary>A dictionary field whose changes are recorded; null becomes an empty dictionary when first written to.</summary>
    internal StringMap GetMap(string field)
    {
        Get(field);
        if (!_views.TryGetValue(field, out var map))
        {
            _views[field] = map = new StringMap(this, field);
        }

        return (StringMap)map;
    }

    /// <summary>The view of <typeparamref name="T"/> over a primitive.</summary>
    /// <exception cref="FormatException">It is an object of another kind.</exception>
    internal static T As<T>(JObject primitive) where T : NovaObject, INovaView<T>
    {
        var name = (string?)primitive[NameKey];
        return name == T.ObjectName
            ? T.View(primitive)
            : throw new FormatException($"Expected a {T.ObjectName}, received a {name ?? "JSON object without a name"}.");
    }

    /// <summary>An empty object of this kind at the version every control plane from Zed on knows.</summary>
    internal static T Create<T>() where T : NovaObject, INovaView<T> => T.View(new JObject
    {
        [NameKey] = T.ObjectName,
        [NamespaceKey] = "nova",
        [VersionKey] = Manifest.Zed[T.ObjectName],
        [DataKey] = new JObject(),
    });

    internal static T Clone<T>(T value) where T : NovaObject, INovaView<T> => T.View((JObject)value.Primitive.DeepClone());

    private void Store(string field, JToken value)
    {
        // A null string makes a JValue of type String; null has one form here.
        Data[field] = value is JValue { Value: null } ? JValue.CreateNull() : value;
        _views.Remove(field);
    }

    private static void WriteChanges(JObject primitive)
    {
        var all = WhatChanged(primitive);
        if (all.Count > 0)
        {
            primitive[ChangesKey] = new JArray(all);
        }
        else
        {
            primitive.Remove(ChangesKey);
        }

        foreach (var nested in ((JObject)primitive[DataKey]!).Properties().SelectMany(p => NestedObjects(p.Value)))
        {
            WriteChanges(nested);
        }
    }

    private static HashSet<string> WhatChanged(JObject primitive)
    {
        HashSet<string> changed = primitive[ChangesKey] is JArray recorded ? recorded.Select(c => (string)c!).ToHashSet() : [];
        // A plain list of objects does not make its owner changed in oslo; the field "objects" of a list object does.
        foreach (var field in ((JObject)primitive[DataKey]!).Properties().Where(p => p.Value is JObject || p.Name == "objects"))
        {
            if (!changed.Contains(field.Name) && NestedObjects(field.Value).Any(HasChanges))
            {
                changed.Add(field.Name);
            }
        }

        return changed;
    }

    private static bool HasChanges(JObject primitive) => WhatChanged(primitive).Count > 0;

    private static IEnumerable<JObject> NestedObjects(JToken value) => value switch
    {
        JObject single when single.ContainsKey(NameKey) => [single],
        JArray list => list.OfType<JObject>().Where(o => o.ContainsKey(NameKey)),
        _ => [],
    };
}
