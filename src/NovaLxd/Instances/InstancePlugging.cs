using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// Plugs the ports of an instance on the host and waits until Neutron reports them up (<c>network-vif-plugged</c>), so that the guest's first DHCP request is
/// answered. Waiting is registered before plugging: the agent may be faster than we are.
/// </summary>
internal sealed class InstancePlugging(
    ConductorClient conductor, IContainerDriver driver, InstanceEvents events, NetworkOptions options, TimeProvider time, IMeterFactory meters,
    ILogger<InstancePlugging> logger)
{
    public const string Plugged = "network-vif-plugged";

    /// <summary>Most of what a user waits for where the agents are slow, and none of it ours.</summary>
    private readonly Histogram<double> _waited = meters.Create("NovaLxd").CreateHistogram<double>(
        "novalxd.vif_plugging.duration", "s", "Time from plugging an instance's ports until Neutron reported them up, or failed to");

    /// <summary>Plugs and waits for the ports that were not up when their information was read.</summary>
    /// <exception cref="VirtualInterfaceCreateException">Neutron failed a port or was silent, and <c>vif_plugging_is_fatal</c>; or the port cannot be plugged.</exception>
    public async Task PlugAsync(RequestContext context, Instance instance, NetworkInfo networkInfo, CancellationToken cancellationToken)
    {
        var awaited = networkInfo.Vifs.Where(v => !v.Active).Select(v => new ExternalEvent(Plugged, v.Id)).ToList();
        using var wait = events.Prepare(Guid.Parse(instance.Uuid), options.VifPluggingTimeout > TimeSpan.Zero ? awaited : []);
        await PlugWithoutWaitingAsync(context, instance, networkInfo, cancellationToken);
        var plugged = time.GetTimestamp();
        try
        {
            if (await wait.WaitAsync(options.VifPluggingTimeout, time, cancellationToken))
            {
                return;
            }

            Fail("Neutron reported that a port of the instance could not be plugged.", null);
        }
        catch (TaskCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new UnexpectedDeletingTaskStateException("The instance is being deleted.");
        }
        catch (TimeoutException e)
        {
            Fail($"{e.Message}: Neutron has not reported the ports up. Is the network agent of this host running?", e);
        }
        finally
        {
            _waited.Record(time.GetElapsedTime(plugged).TotalSeconds);
        }
    }

    /// <summary>For an instance whose ports are bound and known already: start, reboot, recovery.</summary>
    public async Task PlugWithoutWaitingAsync(RequestContext context, Instance instance, NetworkInfo networkInfo, CancellationToken cancellationToken)
    {
        // The rates of the ports are the flavor's, which messages about a running instance leave out.
        await conductor.LoadAttributesAsync(context, instance, ["flavor"], cancellationToken);
        try
        {
            await driver.SetPortsAsync(Guid.Parse(instance.Uuid), PortSpecs.From(instance, networkInfo), cancellationToken);
        }
        catch (PortPlugException e)
        {
            throw new VirtualInterfaceCreateException(e.Message, e);
        }
    }

    /// <summary>
    /// One port more for an instance that is here, whether it runs or not. Not waited for, as Nova does not: the guest asks for its address when it takes the
    /// interface up.
    /// </summary>
    public async Task AttachAsync(RequestContext context, Instance instance, Vif vif, CancellationToken cancellationToken)
    {
        await conductor.LoadAttributesAsync(context, instance, ["flavor"], cancellationToken);
        await driver.AttachPortAsync(Guid.Parse(instance.Uuid), PortSpecs.From(instance, new NetworkInfo([vif]))[0], cancellationToken);
    }

    /// <summary>Takes a port from guest and host; nothing when the instance has no such port or no container.</summary>
    public async Task DetachAsync(Instance instance, string portId, CancellationToken cancellationToken)
    {
        try
        {
            if (!await driver.DetachPortAsync(Guid.Parse(instance.Uuid), Guid.Parse(portId), cancellationToken))
            {
                logger.LogInformation("The guest does not have port {Port}: nothing is taken from it.", portId);
            }
        }
        catch (ContainerNotFoundException e)
        {
            logger.LogWarning("Port {Port} is taken from an instance without a guest: {Reason}", portId, e.Message);
        }
    }

    private void Fail(string why, Exception? inner)
    {
        if (options.VifPluggingIsFatal)
        {
            throw new VirtualInterfaceCreateException("Virtual Interface creation failed: " + why, inner);
        }

        logger.LogWarning("{Why} The instance is started all the same (vif_plugging_is_fatal = false).", why);
    }
}
