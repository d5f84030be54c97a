using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Conductor;

/// <summary>An action on an instance, as <c>openstack server event list</c> shows it.</summary>
public sealed class FakeAction(string instanceUuid, string action, string? requestId)
{
    public string InstanceUuid { get; } = instanceUuid;

    public string Action { get; } = action;

    public string? RequestId { get; } = requestId;

    /// <summary>"Error" when one of its events failed.</summary>
    public string? Message { get; set; }

    public List<FakeActionEvent> Events { get; } = [];
}

public sealed class FakeActionEvent(string name, string? host)
{
    public string Name { get; } = name;

    public string? Host { get; } = host;

    /// <summary>Null while it goes on, then "Success" or "Error".</summary>
    public string? Result { get; set; }

    public string? Details { get; set; }

    public string? Traceback { get; set; }
}

public sealed partial class FakeConductor
{
    public List<FakeAction> Actions { get; } = [];

    public List<JObject> Faults { get; } = [];

    /// <summary>What the API does before it sends a request to a compute service.</summary>
    public FakeAction AddAction(string instanceUuid, string action, string requestId)
    {
        var added = new FakeAction(instanceUuid, action, requestId);
        lock (_lock)
        {
            Actions.Add(added);
        }

        return added;
    }

    private JToken? ActionQuery(string name, JArray args, JObject kwargs, JObject context)
    {
        var uuid = (string)args[0]!;
        var what = (string)args[1]!;
        switch (name)
        {
            case "InstanceAction.action_start":
                AddAction(uuid, what, (string)context["request_id"]!);
                return null;
            case "InstanceActionEvent.event_start":
                FindAction(uuid, context).Events.Add(new FakeActionEvent(what, Primitives.Text(kwargs["host"])));
                return null;
            case "InstanceActionEvent.event_finish_with_failure":
                var action = FindAction(uuid, context);
                var finished = action.Events.FindLast(e => e.Name == what)
                    ?? throw ConductorFailureException.Nova("InstanceActionEventNotFound", $"Event {what} not found for action id {action.Action}", 404);
                finished.Traceback = Primitives.Text(kwargs["exc_tb"]);
                finished.Details = Primitives.Text(kwargs["exc_val"]);
                finished.Result = finished.Traceback is null ? "Success" : "Error";
                action.Message = finished.Traceback is null ? action.Message : "Error";
                return null;
            default:
                throw NoSuchMethod(name);
        }
    }

    /// <summary>By request id; the newest one when the context is nobody's (a recovery at start).</summary>
    private FakeAction FindAction(string uuid, JObject context)
    {
        var requestId = (string?)context["request_id"];
        return Actions.FindLast(a => a.InstanceUuid == uuid && a.RequestId == requestId)
            ?? (Primitives.IsNull(context["project_id"]) ? Actions.FindLast(a => a.InstanceUuid == uuid) : null)
            ?? throw ConductorFailureException.Nova("InstanceActionNotFound", $"Action for request_id {requestId} on instance {uuid} not found", 404);
    }
}
