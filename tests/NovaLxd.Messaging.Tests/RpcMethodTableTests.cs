using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging.Tests;

public sealed class RpcMethodTableTests
{
    [Theory]
    [InlineData("6.5", "6.0", true)]
    [InlineData("6.5", "6.5", true)]
    [InlineData("6.5", "6.6", false)]
    [InlineData("6.5", "5.13", false)]
    [InlineData("6.5", "7.0", false)]
    [InlineData("6.5.1", "6.5.1", true)]
    [InlineData("6.5", "6.5.1", false)]
    [InlineData("6.5", "6.4.9", true)]
    [InlineData("6.5", null, false)]
    [InlineData("6.5", "six", false)]
    [InlineData("6.5", "6", false)]
    public void VersionRuleIsOslos(string implemented, string? requested, bool compatible) =>
        Assert.Equal(compatible, RpcVersion.IsCompatible(implemented, requested));

    [Theory]
    [InlineData(null, "6.1", "stop_instance", "main")]
    [InlineData(null, "5.0", "stop_instance", "proxy")]
    [InlineData("baseapi", "1.0", "ping", "base")]
    public async Task FirstEndpointWithNamespaceVersionAndMethodAnswers(string? ns, string version, string method, string expected)
    {
        var request = Request(ns, version, method);

        Assert.Equal(expected, (string?)await Table().Find(request)(request, default));
    }

    [Theory]
    [InlineData(null, "6.1", "no_such", "NoSuchMethod", "Endpoint does not support RPC method no_such")]
    [InlineData(null, "6.1", "ping", "NoSuchMethod", "Endpoint does not support RPC method ping")]
    [InlineData(null, "6.9", "stop_instance", "UnsupportedVersion", "Endpoint does not support RPC version 6.9. Attempted method: stop_instance")]
    [InlineData("other", "1.0", "ping", "UnsupportedVersion", "Endpoint does not support RPC version 1.0. Attempted method: ping")]
    [InlineData(null, "6.0", "_private", "NoSuchMethod", "Endpoint does not support RPC method _private")]
    public void RefusesWithOslosClassesAndWords(string? ns, string version, string method, string name, string message)
    {
        var failure = Assert.Throws<RpcFailureException>(() => Table().Find(Request(ns, version, method))).Failure;

        Assert.Equal(("oslo_messaging.rpc.dispatcher", name, message), (failure.Module, failure.Class, failure.Message));
    }

    [Fact]
    public void PrivateMethodsCannotBeAdded() =>
        Assert.Throws<ArgumentException>(() => new RpcMethodTable().AddEndpoint(null, "1.0").Add("_x", (_, _) => Task.FromResult<JToken?>(null)));

    [Fact]
    public async Task BaseApiPingsAndHasNoBackdoor()
    {
        var table = new RpcMethodTable();
        table.AddBaseApi("compute");
        var ping = Request("baseapi", "1.1", "ping") with { Arguments = new JObject { ["arg"] = "1.21 GigaWatts" } };
        var backdoor = Request("baseapi", "1.1", "get_backdoor_port");

        Assert.True(JToken.DeepEquals(
            new JObject { ["service"] = "compute", ["arg"] = "1.21 GigaWatts" }, await table.Find(ping)(ping, default)));
        Assert.Null(await table.Find(backdoor)(backdoor, default));
    }

    private static RpcMethodTable Table()
    {
        var table = new RpcMethodTable();
        table.AddEndpoint(null, "6.5").Add("stop_instance", Answer("main"));
        table.AddEndpoint("baseapi", "1.1").Add("ping", Answer("base"));
        table.AddEndpoint(null, "5.13").Add("stop_instance", Answer("proxy"));
        return table;
    }

    private static RpcHandler Answer(string text) => (_, _) => Task.FromResult<JToken?>(text);

    private static RpcRequest Request(string? ns, string version, string method) => new(method, ns, version, RequestContext.CreateAdmin(), [], true);
}
