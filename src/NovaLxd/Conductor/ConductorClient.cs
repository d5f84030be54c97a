using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Conductor;

/// <summary>
/// The conductor's object RPC (topic <c>conductor</c>, version 3.0; nova/conductor/rpcapi.py, ConductorAPI): the database as this service sees it. The
/// methods of each object stand in the other files of this class.
/// <para>
/// State of an instance leaves by <see cref="SaveAsync(RequestContext, Instance, CancellationToken)"/> and its overload alone. After a save, a create or
/// a refresh the object has what the database has and nothing counts as changed; views of nested objects taken before must be taken again.
/// </para>
/// </summary>
internal sealed partial class ConductorClient(IRpcTransport transport)
{
    private const string Topic = "conductor";
    private const string RpcVersion = "3.0";

    private volatile Manifest _manifest = Manifest.Zed;

    /// <summary>The object versions asked for; Zed's until <see cref="LearnReleaseAsync"/> has found out what the conductors know.</summary>
    internal Manifest Manifest => _manifest;

    /// <summary>
    /// Waits until a conductor answers (<c>baseapi.ping</c>). Each attempt has 10 seconds and then as long again as nova-compute gives it;
    /// <paramref name="unanswered"/> is told of each that failed.
    /// </summary>
    internal async Task WaitUntilReadyAsync(Action<Exception> unanswered, CancellationToken cancellationToken)
    {
        var timeout = TimeSpan.FromSeconds(10);
        while (true)
        {
            try
            {
                await PingAsync(timeout, cancellationToken);
                return;
            }
            catch (TimeoutException e)
            {
                unanswered(e);
                timeout = TimeSpan.FromSeconds(60);
            }
        }
    }

    /// <exception cref="TimeoutException">No conductor answered in time.</exception>
    internal Task PingAsync(TimeSpan timeout, CancellationToken cancellationToken) => transport.CallAsync(
        RequestContext.CreateAdmin(), Topic, null, "baseapi", "1.0", "ping", new JObject { ["arg"] = "novalxd" }, timeout, cancellationToken);

    /// <summary>Asks which release the conductors are of and speaks its objects from now on. Returns their (smallest) service version.</summary>
    internal async Task<int> LearnReleaseAsync(RequestContext context, CancellationToken cancellationToken)
    {
        var version = await GetMinimumServiceVersionAsync(context, "nova-conductor", cancellationToken);
        _manifest = Manifest.For(version);
        return version;
    }

    /// <summary>Calls a method of an object's class on the conductor and returns what it returned.</summary>
    internal Task<JToken?> ClassActionAsync(
        RequestContext context, string objectName, string method, JArray args, JObject kwargs, CancellationToken cancellationToken) =>
        CallAsync(context, "object_class_action_versions", new JObject
        {
            ["objname"] = objectName,
            ["objmethod"] = method,
            ["object_versions"] = Manifest.ToJson(),
            ["args"] = args,
            ["kwargs"] = kwargs,
        }, cancellationToken);

    /// <summary>Calls a method of an object on the conductor, takes the changes over into it and returns what the method returned.</summary>
    internal async Task<JToken?> ObjectActionAsync(
        RequestContext context, NovaObject instance, string method, JObject kwargs, CancellationToken cancellationToken)
    {
        var reply = await CallAsync(context, "object_action", new JObject
        {
            ["objinst"] = instance.ToPrimitive(),
            ["objmethod"] = method,
            ["args"] = new JArray(),
            ["kwargs"] = kwargs,
        }, cancellationToken);
        if (reply is not JArray { Count: 2 } pair || pair[0] is not JObject updates)
        {
            throw new FormatException($"The conductor answered {instance.Kind}.{method} with something other than updates and a result.");
        }

        instance.ApplyUpdates(updates);
        return pair[1].Type == JTokenType.Null ? null : pair[1];
    }

    /// <summary>
    /// Has the conductor bring an object down to the versions of our manifest. Needed only for another major version: newer minor ones are used as
    /// they came.
    /// </summary>
    internal async Task<JObject> BackportAsync(RequestContext context, JObject primitive, CancellationToken cancellationToken)
    {
        var reply = await CallAsync(context, "object_backport_versions", new JObject
        {
            ["objinst"] = primitive.DeepClone(),
            ["object_versions"] = Manifest.ToJson(),
        }, cancellationToken);
        return reply as JObject ?? throw new FormatException(
            $"The conductor did not return the {(string?)primitive[NovaObject.NameKey]} it was to bring to an older version.");
    }

    /// <summary>Creates the row; the object gets its id, uuid and times.</summary>
    internal Task CreateAsync(RequestContext context, NovaObject value, CancellationToken cancellationToken) =>
        ObjectActionAsync(context, value, "create", [], cancellationToken);

    /// <summary>Saves the changed fields of anything but an instance.</summary>
    internal Task SaveAsync(RequestContext context, NovaObject value, CancellationToken cancellationToken) => value is Instance instance
        ? SaveAsync(context, instance, cancellationToken)
        : ObjectActionAsync(context, value, "save", [], cancellationToken);

    internal Task DestroyAsync(RequestContext context, NovaObject value, CancellationToken cancellationToken) =>
        ObjectActionAsync(context, value, "destroy", [], cancellationToken);

    /// <summary>Reads the object's row again.</summary>
    internal Task RefreshAsync(RequestContext context, NovaObject value, CancellationToken cancellationToken) =>
        ObjectActionAsync(context, value, "refresh", [], cancellationToken);

    private async Task<JToken?> CallAsync(RequestContext context, string method, JObject args, CancellationToken cancellationToken)
    {
        var result = await transport.CallAsync(context, Topic, null, null, RpcVersion, method, args, null, cancellationToken);
        return result is null or { Type: JTokenType.Null } ? null : result;
    }

    private async Task<T?> FindAsync<T>(
        RequestContext context, string method, JArray args, JObject kwargs, CancellationToken cancellationToken)
        where T : NovaObject, INovaView<T>
    {
        var result = await ClassActionAsync(context, T.ObjectName, method, args, kwargs, cancellationToken);
        if (result is not JObject primitive)
        {
            return null;
        }

        // Nested objects kept as JSON in the database bring their own lists of changes along.
        var loaded = NovaObject.As<T>(primitive);
        loaded.ResetChanges();
        return loaded;
    }

    private async Task<T> LoadAsync<T>(RequestContext context, string method, JArray args, JObject kwargs, CancellationToken cancellationToken)
        where T : NovaObject, INovaView<T> =>
        await FindAsync<T>(context, method, args, kwargs, cancellationToken)
        ?? throw new FormatException($"The conductor answered {T.ObjectName}.{method} with nothing.");

    private async Task<IReadOnlyList<T>> ListAsync<T>(
        RequestContext context, string method, JArray args, JObject kwargs, CancellationToken cancellationToken)
        where T : NovaObject, INovaView<T> =>
        (await LoadAsync<NovaList<T>>(context, method, args, kwargs, cancellationToken)).Objects;

    private async Task<int> NumberAsync(RequestContext context, string objectName, string method, JArray args, CancellationToken cancellationToken)
    {
        var result = await ClassActionAsync(context, objectName, method, args, [], cancellationToken);
        return result?.Type == JTokenType.Integer
            ? result.Value<int>()
            : throw new FormatException($"The conductor answered {objectName}.{method} with {result?.Type.ToString() ?? "nothing"}, not with a number.");
    }
}
