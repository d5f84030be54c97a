using Newtonsoft.Json.Linq;

namespace NovaLxd.Objects;

/// <summary>One step of an action on an instance (`openstack server event show`).</summary>
internal sealed class InstanceActionEvent(JObject primitive) : NovaObject(primitive), INovaView<InstanceActionEvent>
{
    public static string ObjectName => "InstanceActionEvent";

    public static InstanceActionEvent View(JObject primitive) => new(primitive);

    internal string? Event
    {
        get => GetString("event");
        set => Set("event", value);
    }

    internal string? Result
    {
        get => GetString("result");
        set => Set("result", value);
    }

    internal string? Traceback
    {
        get => GetString("traceback");
        set => Set("traceback", value);
    }

    internal string? Details
    {
        get => GetString("details");
        set => Set("details", value);
    }

    internal string? Host
    {
        get => GetString("host");
        set => Set("host", value);
    }

    internal DateTimeOffset? StartTime
    {
        get => GetTime("start_time");
        set => SetTime("start_time", value);
    }

    internal DateTimeOffset? FinishTime
    {
        get => GetTime("finish_time");
        set => SetTime("finish_time", value);
    }
}
