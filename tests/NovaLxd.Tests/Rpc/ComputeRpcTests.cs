using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Rpc;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Rpc;

public sealed class ComputeRpcTests
{
    private readonly ComputeRpc _rpc = new();

    [Fact]
    public void ListsEveryMethodThatNovasClientSends()
    {
        // allow_share and deny_share came with 2025.1 (6.4).
        var known = Recorded.Lines("rpc/compute-rpcapi-methods.txt").Concat(["allow_share", "deny_share"]).Order(StringComparer.Ordinal);

        Assert.Equal(known, _rpc.Methods.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void EachRowIsAnsweredOrSaysWhyNot() =>
        Assert.All(_rpc.Methods.Values, m => Assert.NotEqual(m.Operation is null, m.Unsupported is null));

    [Fact]
    public void AnswersRequestsOfAllVersionsUpTo2026()
    {
        var table = new RpcMethodTable();
        _rpc.AddTo(table, new TestPlane().Runner());

        foreach (var version in new[] { "6.0", "6.1", "6.2", "6.3", "6.4", "6.5" })
        {
            Assert.NotNull(table.Find(new RpcRequest("pause_instance", null, version, RequestContext.CreateAdmin(), [], false)));
        }

        Assert.NotNull(table.Find(new RpcRequest("ping", "baseapi", "1.0", RequestContext.CreateAdmin(), [], true)));
    }

    [Fact]
    public async Task AnUnsupportedCastLeavesTheServerAsItWasWithAReason()
    {
        var plane = new TestPlane();

        await Assert.ThrowsAsync<RpcFailureException>(() => plane.RunAsync("suspend_instance"));

        Assert.Equal(("active", null), ((string?)plane.Row["vm_state"], (string?)plane.Row["task_state"]));
        Assert.Equal("Suspending a server is not supported by this compute service.", (string?)plane.Conductor.Faults[0]["message"]);
        Assert.Equal(("compute_suspend_instance", "Error", "Suspending a server is not supported by this compute service."),
            (plane.Action.Events[0].Name, plane.Action.Events[0].Result, plane.Action.Events[0].Details));
    }

    [Theory]
    [InlineData("get_vnc_console", "nova.exception", "ConsoleTypeUnavailable")]
    [InlineData("check_can_live_migrate_destination", "nova.exception", "MigrationPreCheckError")]
    [InlineData("reserve_block_device_name", "nova.exception", "InvalidVolume")]
    [InlineData("quiesce_instance", "nova.exception", "InstanceQuiesceNotSupported")]
    [InlineData("host_power_action", "builtins", "NotImplementedError")]
    public async Task AnUnsupportedCallFailsInTheWordsOfTheApi(string method, string module, string name)
    {
        var failure = await Assert.ThrowsAsync<RpcFailureException>(() => new TestPlane().RunAsync(method));

        Assert.Equal((module, name), (failure.Failure.Module, failure.Failure.Class));
        Assert.EndsWith("is not supported by this compute service.", failure.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheHostsUptimeIsAnswered()
    {
        var plane = new TestPlane();

        var line = await plane.Runner().RunAsync(plane.Rpc.Methods["get_host_uptime"], plane.Context, [], default);

        Assert.Matches("^03:00:00 up .+, load average: [0-9.]+, [0-9.]+, [0-9.]+$", (string?)line);
    }
}
