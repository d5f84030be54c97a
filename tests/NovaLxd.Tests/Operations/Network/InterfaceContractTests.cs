using Newtonsoft.Json.Linq;
using NovaLxd.Objects;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Operations.Network;

/// <summary>Against what a real Nova of Zed did for the same two requests (tests/wire/rpc/interface-zed.json).</summary>
public sealed class InterfaceContractTests : IAsyncLifetime
{
    private static readonly JObject Zed = (JObject)Recorded.Json("rpc/interface-zed.json");

    private InterfacePlane _host = null!;

    public async Task InitializeAsync() => _host = await InterfacePlane.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task AttachWritesInNovasOrderAndAnswersInItsForm()
    {
        var details = (JObject)Zed["attach"]!["reply"]!["details"]!;
        _host.Cloud.Neutron.AddHost(TestPlane.HostName, details: details);
        var arguments = Arguments("attach");
        arguments["network_id"] = _host.NetworkId;

        var reply = (JObject)(await _host.Plane.RunAsync("attach_interface", arguments))!;

        Assert.Equal(Writes("attach"), OwnWrites());
        // The network of the recording had a DNS server.
        Assert.Equal(Form(Zed["attach"]!["reply"]!).Where(value => !value.Contains(".dns.", StringComparison.Ordinal)), Form(WireJson.Parse(reply.ToString())));
    }

    [Fact]
    public async Task DetachWritesInNovasOrder()
    {
        var vif = await _host.AttachAsync(network: _host.NetworkId);
        _host.Plane.Conductor.Requests.Clear();
        var arguments = Arguments("detach");
        arguments["port_id"] = vif.Id;

        Assert.Null(await _host.Plane.RunAsync("detach_interface", arguments));

        Assert.Equal(Writes("detach"), OwnWrites());
    }

    /// <summary>The requests of a newer Nova say no more: every argument is one that is read (the plane is strict).</summary>
    private static JObject Arguments(string method)
    {
        var arguments = (JObject)Zed[method]!["arguments"]!.DeepClone();
        arguments.Remove("instance");
        return arguments;
    }

    /// <summary>What changes the database. Nova saved the cache once more for Neutron's event, which came meanwhile.</summary>
    private static IEnumerable<string> Writes(string method) => Zed[method]!["calls"]!.Select(call => (string)call["call"]!).Where(IsWrite).Distinct();

    private IEnumerable<string> OwnWrites() => _host.Plane.Conductor.Requests.Where(IsWrite);

    private static bool IsWrite(string call) => !call.EndsWith(".refresh", StringComparison.Ordinal) && !call.Contains(".get_by", StringComparison.Ordinal);

    /// <summary>Names and kinds of all values.</summary>
    private static IEnumerable<string> Form(JToken json) => json switch
    {
        JObject map => map.Properties().OrderBy(p => p.Name, StringComparer.Ordinal).SelectMany(p => Form(p.Value).Select(f => $"{p.Name}.{f}")),
        JArray list => list.SelectMany(Form).Distinct(),
        _ => [json.Type.ToString()],
    };
}
