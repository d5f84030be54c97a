using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Power;

/// <summary>Shuts an instance down (nova/compute/manager.py:stop_instance).</summary>
internal sealed class StopInstance(InstanceStop stop) : IOperation<StopInstance.Request, None>
{
    internal sealed record Request(Instance Instance, bool CleanShutdown = true) : IInstanceRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        await stop.StopAsync(context, request.Instance, request.CleanShutdown, cancellationToken);
        return default;
    }
}
