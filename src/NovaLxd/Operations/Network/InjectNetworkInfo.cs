using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;

namespace NovaLxd.Operations.Network;

/// <summary>Reads the ports of an instance again and plugs them as they are now (nova/compute/manager.py:inject_network_info).</summary>
internal sealed class InjectNetworkInfo(InstancePorts ports, InstancePlugging plugging) : IOperation<InjectNetworkInfo.Request, None>
{
    internal sealed record Request(Instance Instance) : IInstanceRequest;

    public async Task<None> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        var networkInfo = await ports.RefreshAsync(context, request.Instance, cancellationToken);
        await plugging.PlugWithoutWaitingAsync(context, request.Instance, networkInfo, cancellationToken);
        return default;
    }
}
