using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>
/// The interfaces of an instance in order (nova/network/model.py, NetworkInfo), as InstanceInfoCache keeps them and the API shows them. Keys we do not
/// know are kept and written back. Two are equal when their interfaces are, whatever their <c>meta</c> says.
/// </summary>
internal sealed record NetworkInfo(IReadOnlyList<Vif> Vifs)
{
    internal static NetworkInfo Empty { get; } = new([]);

    /// <summary>Null and "null" are no interfaces.</summary>
    internal static NetworkInfo Parse(string? json) =>
        json is not null && WireJson.Parse(json) is JArray list ? Parse(list) : Empty;

    internal static NetworkInfo Parse(JArray list) => new(list.Cast<JObject>().Select(Vif.Parse).ToList());

    internal JArray ToJson() => new(Vifs.Select(v => v.ToJson()));

    internal string Serialize() => PythonJson.Write(ToJson());

    internal Vif? Find(string portId) => Vifs.FirstOrDefault(v => v.Id == portId);

    /// <summary>The same with one interface exchanged (by port id) or, when it was not there, put at the end.</summary>
    internal NetworkInfo With(Vif vif) =>
        Find(vif.Id) is null ? new([.. Vifs, vif]) : new(Vifs.Select(v => v.Id == vif.Id ? vif : v).ToList());

    internal NetworkInfo Without(string portId) => new(Vifs.Where(v => v.Id != portId).ToList());

    public bool Equals(NetworkInfo? other) => other is not null && Vifs.SequenceEqual(other.Vifs);

    public override int GetHashCode() => Vifs.Count;
}
