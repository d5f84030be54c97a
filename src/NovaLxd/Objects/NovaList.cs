using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A list object (InstanceList, BlockDeviceMappingList ...): one field, <c>objects</c>. Its name is the element's with "List" behind it.</summary>
internal sealed class NovaList<T>(JObject primitive) : NovaObject(primitive), INovaView<NovaList<T>>
    where T : NovaObject, INovaView<T>
{
    public static string ObjectName => T.ObjectName + "List";

    public static NovaList<T> View(JObject primitive) => new(primitive);

    internal IReadOnlyList<T> Objects
    {
        get => GetObjects<T>("objects");
        set => SetObjects("objects", value);
    }

    internal static NovaList<T> Of(IEnumerable<T> objects)
    {
        var list = Create<NovaList<T>>();
        list.SetObjects("objects", objects);
        return list;
    }
}
