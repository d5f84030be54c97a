using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Resources;

/// <summary>Tells the schedulers which instances are here, which keeps their affinity filters fresh (nova/scheduler/rpcapi.py). Nothing depends on it.</summary>
internal sealed class SchedulerNotifier(IRpcTransport transport, FilterSchedulerOptions filter, ServiceOptions options)
{
    private const string Topic = "scheduler";
    private const string Version = "4.2";

    public Task InstanceChangedAsync(RequestContext context, Instance instance, CancellationToken cancellationToken) =>
        SendAsync(context, "update_instance_info", new JObject
        {
            ["host_name"] = options.Host,
            ["instance_info"] = NovaList<Instance>.Of([instance]).ToPrimitive(),
        }, cancellationToken);

    public Task InstanceDeletedAsync(RequestContext context, string uuid, CancellationToken cancellationToken) =>
        SendAsync(context, "delete_instance_info", new JObject { ["host_name"] = options.Host, ["instance_uuid"] = uuid }, cancellationToken);

    public Task InstancesAsync(RequestContext context, IReadOnlyList<string> uuids, CancellationToken cancellationToken) =>
        SendAsync(context, "sync_instance_info", new JObject { ["host_name"] = options.Host, ["instance_uuids"] = new JArray(uuids) }, cancellationToken);

    private Task SendAsync(RequestContext context, string method, JObject args, CancellationToken cancellationToken) => filter.TrackInstanceChanges
        ? transport.FanoutAsync(context, Topic, null, Version, method, args, cancellationToken)
        : Task.CompletedTask;
}
