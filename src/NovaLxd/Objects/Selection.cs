using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A host the scheduler chose, or an alternative to try after it.</summary>
internal sealed class Selection(JObject primitive) : NovaObject(primitive), INovaView<Selection>
{
    public static string ObjectName => "Selection";

    public static Selection View(JObject primitive) => new(primitive);

    internal string ComputeNodeUuid => GetText("compute_node_uuid");

    internal string ServiceHost => GetText("service_host");

    internal string NodeName => GetText("nodename");
}
