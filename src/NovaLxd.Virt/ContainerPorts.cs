using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt;

/// <summary>The host side of a container's ports: what is plugged, and that the record always names at least that.</summary>
internal sealed class ContainerPorts(IPortPlug plug, ContainerStore store, Func<string> bootId, ILogger logger)
{
    /// <summary>(1) write down (2) unplug what is no longer named (3) plug the others in order (4) forget the former. A failure puts back what was.</summary>
    public async Task<ContainerRecord> SetAsync(ContainerRecord record, IReadOnlyList<PortSpec> ports, CancellationToken cancellationToken)
    {
        var before = record.Situation;
        await using var undo = new Undo(logger);

        // (1) First on disk: whoever finds the record after a crash knows every port that may exist.
        var former = before.FormerPorts.Concat(before.Ports).Where(old => !ports.Any(port => IsSameDevice(port, old))).ToArray();
        var names = GuestNames.Assign(before, ports);
        var after = before with { Ports = ports, GuestNames = names, FormerPorts = former, PluggedInBoot = ports.Count > 0 ? bootId() : null };
        record = await store.SaveSituationAsync(record, after, cancellationToken).ConfigureAwait(false);
        var written = record;
        undo.Add("the list of ports", token => store.SaveSituationAsync(written, before, token));

        // (2) Before plugging: a port that changed its type keeps its device's name.
        foreach (var old in former)
        {
            await plug.UnplugAsync(old, cancellationToken).ConfigureAwait(false);
            if (before.PluggedInBoot is not null && before.Ports.Any(port => IsSameDevice(port, old)))
            {
                undo.Add($"the unplugging of {old.HostDevice}", token => plug.PlugAsync(old, GuestNames.Of(before, old), token));
            }
        }

        // (3)
        foreach (var port in ports)
        {
            await plug.PlugAsync(port, names[port.Id], cancellationToken).ConfigureAwait(false);
            var old = before.Ports.FirstOrDefault(old => IsSameDevice(old, port));
            undo.Add($"the plugging of {port.HostDevice}", before.PluggedInBoot is not null && old is not null
                ? token => plug.PlugAsync(old, GuestNames.Of(before, old), token)
                : token => plug.UnplugAsync(port, token));
        }

        // (4)
        if (former.Length > 0)
        {
            record = await store.SaveSituationAsync(record, after with { FormerPorts = [] }, cancellationToken).ConfigureAwait(false);
        }

        undo.Keep();
        return record;
    }

    /// <summary>Plugs all recorded ports, or mends those plugged already; what this call has plugged itself is taken back with <paramref name="undo"/>.</summary>
    public async Task<IReadOnlyList<ContainerNic>> PlugAllAsync(ContainerRecord record, Undo undo, CancellationToken cancellationToken)
    {
        var situation = record.Situation;
        if (situation.PluggedInBoot is null && situation.Ports.Count > 0)
        {
            var written = await store.SaveSituationAsync(record, situation with { PluggedInBoot = bootId() }, cancellationToken).ConfigureAwait(false);
            undo.Add("the list of ports", token => store.SaveSituationAsync(written, situation, token));
        }

        var nics = new List<ContainerNic>(situation.Ports.Count);
        foreach (var port in situation.Ports)
        {
            nics.Add(await plug.PlugAsync(port, GuestNames.Of(situation, port), cancellationToken).ConfigureAwait(false));
            if (situation.PluggedInBoot is null)
            {
                undo.Add($"the plugging of {port.HostDevice}", token => plug.UnplugAsync(port, token));
            }
        }

        return nics;
    }

    /// <summary>Unplugs everything the record names. All are tried; then the first failure is thrown.</summary>
    public async Task UnplugAllAsync(ContainerRecord record, CancellationToken cancellationToken)
    {
        Exception? first = null;
        foreach (var port in record.Situation.Ports.Concat(record.Situation.FormerPorts))
        {
            try
            {
                await plug.UnplugAsync(port, cancellationToken).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // Thrown below.
            catch (Exception e)
#pragma warning restore CA1031
            {
                first ??= e;
            }
        }

        if (first is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }
    }

    /// <summary>Whether two lists are of the same ports, in the same order, with the same values.</summary>
    public static bool AreSame(IReadOnlyList<PortSpec> a, IReadOnlyList<PortSpec> b) => a.Count == b.Count && a.Zip(b).All(pair => IsSame(pair.First, pair.Second));

    private static bool IsSame(PortSpec a, PortSpec b) =>
        a == b with { Details = a.Details } && a.Details.Count == b.Details.Count && a.Details.All(detail => b.Details.GetValueOrDefault(detail.Key) == detail.Value);

    /// <summary>Whether plugging the one mends what plugging the other made.</summary>
    private static bool IsSameDevice(PortSpec a, PortSpec b) => a.Id == b.Id && a.HostDevice == b.HostDevice && a.VifType == b.VifType;
}
