using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Placement;
using NovaLxd.Outcomes;

namespace NovaLxd.Operations;

/// <summary>A request that is not carried out, and why.</summary>
internal sealed record RefusedRequest(RequestContext Context, Instance? Instance, Migration? Migration, JObject Arguments, OutcomeException Failure);

/// <summary>
/// Takes back what API, conductor and scheduler made for a request before it came here and was refused: what Nova's manager does when its driver raises
/// NotImplementedError. The instance's state and fault are <see cref="Rpc.OperationRunner"/>'s. What cannot be taken back is logged; the user still gets
/// the reason of the refusal. Each returns whether the request was handed to another host instead of failing.
/// </summary>
internal sealed class Leftovers(
    ConductorClient conductor,
    IRpcTransport transport,
    PlacementAllocations placement,
    ServiceHost host,
    ILogger<Leftovers> logger)
{
    /// <summary>Not the caller's token: a service that stops takes back all the same. The user waits so long for the reason when a neighbour is away.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>nova.conf: long_rpc_timeout.</summary>
    private static readonly TimeSpan ConductorLimit = TimeSpan.FromMinutes(30);

    /// <summary>While an instance moves, the migration holds its allocation on the source, and it holds one on the destination that nobody will use
    /// (_revert_allocation).</summary>
    public async Task<bool> RevertAllocationAsync(RefusedRequest request)
    {
        if (request is { Migration: { } migration, Instance: { } instance })
        {
            await TryAsync("allocation held by the migration", token => placement.MoveAllocationsAsync(
                Callers.Service(request.Context), migration.Uuid, instance.Uuid, token));
        }

        return false;
    }

    /// <summary>
    /// The scheduler sent an instance here to be resized: (1) its allocation (2) another host, if there may be one
    /// (_reschedule_resize_or_reraise). From this host there is no way out: its instances are containers wherever they go.
    /// </summary>
    public async Task<bool> PrepResizeAsync(RefusedRequest request)
    {
        // (1)
        await RevertAllocationAsync(request);

        // (2)
        if (request.Instance is not { } instance || instance.Host == host.Name
            || request.Arguments["filter_properties"] is not JObject properties || properties["retry"] is not JObject retry)
        {
            return false;
        }

        retry["exc"] = new JArray($"{request.Failure.Message}\n");
        return await TryAsync("resize on another host", async token =>
        {
            if (request.Migration is { } migration)
            {
                // The next attempt gets one of its own.
                migration.Status = "error";
                await conductor.SaveAsync(request.Context, migration, token);
            }

            instance.TaskState = TaskState.ResizePrep;
            await conductor.SaveAsync(request.Context, instance, token);
            await transport.CallAsync(
                request.Context, "conductor", null, "compute_task", "1.20", "migrate_server", MigrateServer(request, instance, properties), ConductorLimit, token);
            await conductor.CreateAsync(request.Context, InstanceFaults.From(request.Failure, instance.Uuid, host.Name), token);
            logger.LogWarning("Resize handed to another host: {Reason}", request.Failure.Message);
        }, ConductorLimit);
    }

    private static JObject MigrateServer(RefusedRequest request, Instance instance, JObject properties) => new()
    {
        ["instance"] = instance.ToPrimitive(),
        ["scheduler_hint"] = new JObject { ["filter_properties"] = properties },
        ["live"] = false,
        ["rebuild"] = false,
        ["flavor"] = request.Arguments["flavor"]?.DeepClone(),
        ["block_migration"] = null,
        ["disk_over_commit"] = null,
        ["reservations"] = null,
        ["clean_shutdown"] = request.Arguments["clean_shutdown"]?.DeepClone() ?? true,
        ["request_spec"] = request.Arguments["request_spec"]?.DeepClone(),
        ["host_list"] = request.Arguments["host_list"]?.DeepClone(),
    };

    private async Task<bool> TryAsync(string what, Func<CancellationToken, Task> step, TimeSpan? limit = null)
    {
        using var time = new CancellationTokenSource(limit ?? Limit);
        try
        {
            await step(time.Token);
            return true;
        }
#pragma warning disable CA1031 // See the class: the refusal is what matters.
        catch (Exception e)
#pragma warning restore CA1031
        {
            logger.LogError(e, "The request is refused, and this could not be settled: {What}", what);
            return false;
        }
    }
}
