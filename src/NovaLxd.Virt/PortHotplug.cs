using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt;

/// <summary>
/// Gives a container one port more or takes one from it, whether it runs or not. What fails leaves what was; what was half done by a service that died is
/// finished by doing it again. Called under the container's lock.
/// </summary>
internal sealed class PortHotplug(IContainerEngine engine, IPortPlug plug, ContainerStore store, Func<string> bootId, ILogger logger)
{
    /// (1) what would never work, and leavings of an earlier detach (2) write down (3) host side, but for a container that has none of its ports plugged (4) guest side
    /// <param name="running">Whether it has a guest side, frozen or not.</param>
    public async Task AttachAsync(ContainerRecord record, PortSpec port, bool running, CancellationToken cancellationToken)
    {
        await using var undo = new Undo(logger);

        // (1) A container that is stopped plugs only when it is started, and would not start. What is left may be of another type, and has the device's name.
        plug.Check(port);
        record = await UnplugFormerAsync(record, port.Id, cancellationToken).ConfigureAwait(false);

        // (2)
        var before = record.Situation;
        var known = before.Ports.FirstOrDefault(other => other.Id == port.Id);
        if (known is null)
        {
            RefuseNamesake(record, port);
            IReadOnlyList<PortSpec> ports = [.. before.Ports, port];
            var after = before with { Ports = ports, GuestNames = GuestNames.Assign(before, ports), PluggedInBoot = running ? bootId() : before.PluggedInBoot };
            record = await store.SaveSituationAsync(record, after, cancellationToken).ConfigureAwait(false);
            var written = record;
            undo.Add("the list of ports", token => store.SaveSituationAsync(written, before, token));
        }

        // (3)
        if (record.Situation.PluggedInBoot is null)
        {
            undo.Keep();
            return;
        }

        var wanted = known ?? port;
        var nic = await plug.PlugAsync(wanted, GuestNames.Of(record.Situation, wanted), cancellationToken).ConfigureAwait(false);
        if (known is null)
        {
            undo.Add($"the plugging of {port.HostDevice}", token => plug.UnplugAsync(port, token));
        }

        // (4) Taken back also when the answer is lost.
        if (running)
        {
            if (known is null)
            {
                undo.Add($"the interface {nic.GuestName}", token => engine.DetachNicAsync(record.Id, port.Id, token));
            }

            await engine.AttachNicAsync(record.Id, nic, cancellationToken).ConfigureAwait(false);
        }

        undo.Keep();
    }

    /// (1) write down (2) guest side: no reboot takes it along (3) host side; with its other end the guest's is gone (4) forget it
    /// <returns>False: the container has no such port.</returns>
    public async Task<bool> DetachAsync(ContainerRecord record, Guid portId, bool running, CancellationToken cancellationToken)
    {
        var before = record.Situation;
        if (before.Ports.FirstOrDefault(port => port.Id == portId) is not { } leaving)
        {
            await UnplugFormerAsync(record, portId, cancellationToken).ConfigureAwait(false);
            return false;
        }

        await using var undo = new Undo(logger);

        // (1)
        var left = before.Ports.Where(port => port.Id != portId).ToArray();
        var after = before with { Ports = left, GuestNames = GuestNames.Assign(before, left), FormerPorts = [.. before.FormerPorts, leaving] };
        record = await store.SaveSituationAsync(record, after, cancellationToken).ConfigureAwait(false);
        var written = record;
        undo.Add("the list of ports", token => store.SaveSituationAsync(written, before, token));

        // (2)
        if (before.PluggedInBoot is not null)
        {
            undo.Add($"the unplugging of {leaving.HostDevice}", async token =>
            {
                var nic = await plug.PlugAsync(leaving, GuestNames.Of(before, leaving), token).ConfigureAwait(false);
                if (running)
                {
                    await engine.AttachNicAsync(written.Id, nic, token).ConfigureAwait(false);
                }
            });
        }

        if (running)
        {
            await engine.DetachNicAsync(record.Id, portId, cancellationToken).ConfigureAwait(false);
        }

        // (3)
        await plug.UnplugAsync(leaving, cancellationToken).ConfigureAwait(false);

        // (4)
        await store.SaveSituationAsync(
            record, after with { FormerPorts = before.FormerPorts, PluggedInBoot = left.Length > 0 ? before.PluggedInBoot : null }, cancellationToken).ConfigureAwait(false);
        undo.Keep();
        return true;
    }

    private async Task<ContainerRecord> UnplugFormerAsync(ContainerRecord record, Guid portId, CancellationToken cancellationToken)
    {
        var former = record.Situation.FormerPorts.Where(port => port.Id == portId).ToArray();
        if (former.Length == 0)
        {
            return record;
        }

        foreach (var port in former)
        {
            await plug.UnplugAsync(port, cancellationToken).ConfigureAwait(false);
        }

        var rest = record.Situation with { FormerPorts = [.. record.Situation.FormerPorts.Except(former)] };
        return await store.SaveSituationAsync(record, rest, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Device names have less room than port ids.</summary>
    private static void RefuseNamesake(ContainerRecord record, PortSpec port)
    {
        if (record.Situation.Ports.Concat(record.Situation.FormerPorts).FirstOrDefault(other => other.HostDevice == port.HostDevice) is { } namesake)
        {
            throw new PortPlugException($"Port {port.Id} cannot be attached to {record.Spec.Name}: its device {port.HostDevice} is called like that of port {namesake.Id}.");
        }
    }
}
