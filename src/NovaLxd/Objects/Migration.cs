using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>A move of an instance between hosts (or of its size on one): who, from where, to where, how far.</summary>
internal sealed class Migration(JObject primitive) : NovaObject(primitive), INovaView<Migration>
{
    public static string ObjectName => "Migration";

    public static Migration View(JObject primitive) => new(primitive);

    internal int Id
    {
        get => GetInt("id") ?? 0;
        set => Set("id", value);
    }

    internal string Uuid
    {
        get => GetText("uuid");
        set => Set("uuid", value);
    }

    internal string? SourceCompute
    {
        get => GetString("source_compute");
        set => Set("source_compute", value);
    }

    internal string? DestCompute
    {
        get => GetString("dest_compute");
        set => Set("dest_compute", value);
    }

    internal string? SourceNode
    {
        get => GetString("source_node");
        set => Set("source_node", value);
    }

    internal string? DestNode
    {
        get => GetString("dest_node");
        set => Set("dest_node", value);
    }

    internal string? DestHost
    {
        get => GetString("dest_host");
        set => Set("dest_host", value);
    }

    internal int? OldInstanceTypeId
    {
        get => GetInt("old_instance_type_id");
        set => Set("old_instance_type_id", value);
    }

    internal int? NewInstanceTypeId
    {
        get => GetInt("new_instance_type_id");
        set => Set("new_instance_type_id", value);
    }

    internal string? InstanceUuid
    {
        get => GetString("instance_uuid");
        set => Set("instance_uuid", value);
    }

    internal string? Status
    {
        get => GetString("status");
        set => Set("status", value);
    }

    internal string? MigrationType
    {
        get => GetString("migration_type");
        set => Set("migration_type", value);
    }

    internal bool CrossCellMove
    {
        get => GetBool("cross_cell_move");
        set => Set("cross_cell_move", value);
    }
}

/// <summary>What changes on the instance itself when a move is confirmed.</summary>
internal sealed class MigrationContext(JObject primitive) : NovaObject(primitive), INovaView<MigrationContext>
{
    public static string ObjectName => "MigrationContext";

    public static MigrationContext View(JObject primitive) => new(primitive);

    internal string InstanceUuid
    {
        get => GetText("instance_uuid");
        set => Set("instance_uuid", value);
    }

    internal int MigrationId
    {
        get => GetInt("migration_id") ?? 0;
        set => Set("migration_id", value);
    }

    internal NovaList<Resource>? NewResources
    {
        get => GetObject<NovaList<Resource>>("new_resources");
        set => SetObject("new_resources", value);
    }

    internal NovaList<Resource>? OldResources
    {
        get => GetObject<NovaList<Resource>>("old_resources");
        set => SetObject("old_resources", value);
    }
}

/// <summary>A countable device of the host that was given to an instance.</summary>
internal sealed class Resource(JObject primitive) : NovaObject(primitive), INovaView<Resource>
{
    public static string ObjectName => "Resource";

    public static Resource View(JObject primitive) => new(primitive);

    internal string ProviderUuid
    {
        get => GetText("provider_uuid");
        set => Set("provider_uuid", value);
    }

    internal string ResourceClass
    {
        get => GetText("resource_class");
        set => Set("resource_class", value);
    }

    internal string Identifier
    {
        get => GetText("identifier");
        set => Set("identifier", value);
    }
}
