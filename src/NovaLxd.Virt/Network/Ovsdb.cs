using System.ComponentModel;
using System.Globalization;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Network;

/// <summary>
/// Ports in the Open vSwitch database, by ovs-vsctl(8). Each change is one transaction, and returns when ovs-vswitchd has carried it out. The ids are those
/// by which Neutron's agent and ovn-controller find a port (os-vif's vif_plug_ovs).
/// </summary>
internal sealed class Ovsdb(OvsOptions options)
{
    private const int DeadVlan = 4095;

    /// <summary>Marks the QoS and Queue records made for a port: nothing else deletes them.</summary>
    private const string OwnerKey = "novalxd-port";

    /// <summary>The integration bridge (made when missing) with <paramref name="device"/> in it under the ids of the port. Safe to repeat.</summary>
    /// <param name="limitRates">Whether the port's rate limits are Open vSwitch's to keep: it resets what others put on its devices.</param>
    /// <exception cref="PortPlugException">The tools are missing or the database does not answer.</exception>
    public async Task EnsurePortAsync(PortSpec port, string device, bool limitRates, CancellationToken cancellationToken)
    {
        var bridge = port.Bridge
            ?? throw new PortPlugException(
                $"Port {port.Id} is of vif type ovs and names no integration bridge. Check its binding: `openstack port show {port.Id}`.");
        List<string> transaction = ["--may-exist", "add-br", bridge];
        if (port.Details.TryGetValue(PortDetails.DatapathType, out var datapath) && datapath.Length > 0)
        {
            transaction.AddRange(["--", "set", "Bridge", bridge, $"datapath_type={datapath}"]);
        }

        transaction.AddRange(["--", "--may-exist", "add-port", bridge, device]);
        // A port that is there already has been given its VLAN by the agent.
        if (options.IsolateVif && (await FindAsync("Port", $"name={Quote(device)}", cancellationToken)).Length == 0)
        {
            transaction.AddRange(["--", "set", "Port", device, $"tag={DeadVlan}"]);
        }

        transaction.AddRange(["--", "set", "Interface", device, .. ExternalIds(port)]);
        if (limitRates)
        {
            transaction.AddRange(await RateLimitsAsync(port, device, cancellationToken));
        }

        await RunAsync(transaction, cancellationToken);
    }

    /// <summary>Takes the device out of whatever bridge has it. Where Open vSwitch is not installed there is nothing to take.</summary>
    public async Task DeletePortAsync(PortSpec port, string device, CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync(["--if-exists", "del-port", device], cancellationToken);
            // Not in the same transaction: there the port still holds on to them.
            if (await DestroyQosAsync(port, cancellationToken) is { Count: > 0 } destroyed)
            {
                await RunAsync(destroyed, cancellationToken);
            }
        }
        catch (PortPlugException e) when (e.InnerException is Win32Exception)
        {
        }
    }

    private static IEnumerable<string> ExternalIds(PortSpec port)
    {
        var interfaceId = port.Details.GetValueOrDefault(PortDetails.InterfaceId, port.Id.ToString());
        yield return $"external_ids:iface-id={Quote(interfaceId)}";
        yield return "external_ids:iface-status=active";
        yield return $"external_ids:attached-mac={Quote(port.MacAddress)}";
        if (port.Details.TryGetValue(PortDetails.InstanceId, out var instance))
        {
            yield return $"external_ids:vm-uuid={Quote(instance)}";
        }
    }

    /// <summary>
    /// What the guest sends is policed as it comes in (kilobits), what it receives is shaped by a QoS record with one queue (bits); as libvirt does.
    /// Open vSwitch knows no peak for the former, and takes 8000 kilobits as its burst where none is given. In its userspace datapath it does not hold:
    /// there packets are taken before the kernel polices them.
    /// </summary>
    private async Task<IEnumerable<string>> RateLimitsAsync(PortSpec port, string device, CancellationToken cancellationToken)
    {
        List<string> arguments = [];
        var policed = port.Outbound;
        var rate = Invariant((policed?.AverageKilobytesPerSecond ?? 0) * 8);
        var burst = Invariant((policed?.BurstKilobytes ?? 0) * 8);
        arguments.AddRange(["--", "set", "Interface", device, $"ingress_policing_rate={rate}", $"ingress_policing_burst={burst}"]);

        var destroyed = await DestroyQosAsync(port, cancellationToken);
        if (port.Inbound is { } shaped)
        {
            // The queue may borrow up to the whole port's rate: that is the peak.
            var most = Invariant(Math.Max(shaped.PeakKilobytesPerSecond ?? 0, shaped.AverageKilobytesPerSecond) * 8000);
            string[] queueBurst = shaped.BurstKilobytes is { } kilobytes ? [$"other_config:burst={Invariant(kilobytes * 8192)}"] : [];
            arguments.AddRange(
            [
                "--", "set", "Port", device, "qos=@qos",
                "--", "--id=@qos", "create", "QoS", "type=linux-htb", $"other_config:max-rate={most}", "queues:0=@queue", Owner(port),
                "--", "--id=@queue", "create", "Queue", $"other_config:min-rate={Invariant(shaped.AverageKilobytesPerSecond * 8000)}",
                $"other_config:max-rate={most}", .. queueBurst, Owner(port),
            ]);
        }
        else if (destroyed.Count > 0)
        {
            arguments.AddRange(["--", "clear", "Port", device, "qos"]);
        }

        return arguments.Concat(destroyed);
    }

    private async Task<List<string>> DestroyQosAsync(PortSpec port, CancellationToken cancellationToken)
    {
        List<string> arguments = [];
        foreach (var table in (string[])["QoS", "Queue"])
        {
            foreach (var record in await FindAsync(table, Owner(port), cancellationToken))
            {
                arguments.AddRange(["--", "destroy", table, record]);
            }
        }

        return arguments;
    }

    private async Task<string[]> FindAsync(string table, string condition, CancellationToken cancellationToken)
    {
        var found = await RunAsync(["--columns=_uuid", "find", table, condition], cancellationToken);
        return found.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
    }

    private async Task<string> RunAsync(IReadOnlyList<string> transaction, CancellationToken cancellationToken)
    {
        var timeout = Invariant((long)Math.Ceiling(options.Timeout.TotalSeconds));
        try
        {
            return await CommandRunner.RunAsync(
                ["ovs-vsctl", $"--timeout={timeout}", $"--db={options.Connection}", "--bare", "--", .. transaction], cancellationToken);
        }
        catch (Win32Exception e)
        {
            throw new PortPlugException(
                "ovs-vsctl could not be started: install the package openvswitch-switch, or bind ports with another mechanism driver.", e);
        }
        catch (CommandFailedException e)
        {
            throw new PortPlugException(
                $"Open vSwitch did not take the change: {e.Message}. Check that ovsdb-server and ovs-vswitchd run and that the database listens on " +
                $"{options.Connection} (`ovs-vsctl set-manager ptcp:6640:127.0.0.1`, or [os_vif_ovs] ovsdb_connection).", e);
        }
    }

    private static string Owner(PortSpec port) => $"external_ids:{OwnerKey}={Quote(port.Id.ToString())}";

    private static string Quote(string value) => $"\"{value}\"";

    private static string Invariant(long value) => value.ToString(CultureInfo.InvariantCulture);
}
