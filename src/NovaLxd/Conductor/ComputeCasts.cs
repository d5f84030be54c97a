using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Resources;

namespace NovaLxd.Conductor;

/// <summary>
/// What a compute service asks of another in the course of a move (nova/compute/rpcapi.py). On one host it asks itself, over the broker all the same: so each
/// step is an event of its own, and finds its way around a restart.
/// </summary>
internal sealed class ComputeCasts(IRpcTransport transport, ControlPlane controlPlane)
{
    private const string Version = "6.0";

    /// <summary>2026.1: the service version of the compute services that listen on a second topic, to which the steps of a move go.</summary>
    private const int FirstVersionWithAlternative = 71;

    private string StepTopic => controlPlane.ServiceVersion >= FirstVersionWithAlternative ? "compute-alt" : "compute";

    /// <summary>To where the instance is.</summary>
    public Task ResizeInstanceAsync(
        RequestContext context, Instance instance, Migration migration, JObject image, Flavor flavor, RequestSpec? requestSpec, bool cleanShutdown,
        CancellationToken cancellationToken) =>
        CastAsync(context, StepTopic, instance.Host, "resize_instance", new JObject
        {
            ["instance"] = instance.ToPrimitive(),
            ["migration"] = migration.ToPrimitive(),
            ["image"] = image.DeepClone(),
            ["flavor"] = flavor.ToPrimitive(),
            ["clean_shutdown"] = cleanShutdown,
            ["request_spec"] = requestSpec?.ToPrimitive(),
        }, cancellationToken);

    /// <summary>To where the instance goes.</summary>
    public Task FinishResizeAsync(
        RequestContext context, Instance instance, Migration migration, JObject? image, RequestSpec? requestSpec, CancellationToken cancellationToken) =>
        CastAsync(context, StepTopic, migration.DestCompute, "finish_resize", new JObject
        {
            ["instance"] = instance.ToPrimitive(),
            ["migration"] = migration.ToPrimitive(),
            ["image"] = image?.DeepClone(),
            ["disk_info"] = null,
            ["request_spec"] = requestSpec?.ToPrimitive(),
        }, cancellationToken);

    /// <summary>To where the instance came from.</summary>
    public Task FinishRevertResizeAsync(
        RequestContext context, Instance instance, Migration migration, RequestSpec? requestSpec, CancellationToken cancellationToken) =>
        CastAsync(context, StepTopic, migration.SourceCompute, "finish_revert_resize", new JObject
        {
            ["instance"] = instance.ToPrimitive(),
            ["migration"] = migration.ToPrimitive(),
            ["request_spec"] = requestSpec?.ToPrimitive(),
        }, cancellationToken);

    /// <summary>As the API does when a user confirms: to where the instance came from.</summary>
    public Task ConfirmResizeAsync(RequestContext context, Instance instance, Migration migration, CancellationToken cancellationToken) =>
        CastAsync(context, "compute", migration.SourceCompute, "confirm_resize", new JObject
        {
            ["instance"] = instance.ToPrimitive(),
            ["migration"] = migration.ToPrimitive(),
        }, cancellationToken);

    private Task CastAsync(RequestContext context, string topic, string? host, string method, JObject args, CancellationToken cancellationToken) =>
        transport.CastAsync(
            context, topic, host ?? throw new ArgumentException($"{method} needs a host.", nameof(host)), null, Version, method, args, cancellationToken);
}
