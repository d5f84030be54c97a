using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Periodic;
using NovaLxd.Resources;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Periodic;

/// <summary>resize_confirm_window.</summary>
public sealed class ConfirmOldResizesTests
{
    private readonly TestPlane _plane = new();
    private readonly JObject _migration;

    public ConfirmOldResizesTests()
    {
        _plane.Transport.Casts = [];
        _plane.Row["vm_state"] = "resized";
        _plane.Row["task_state"] = null;
        _migration = new JObject
        {
            ["id"] = 3,
            ["uuid"] = Guid.NewGuid().ToString(),
            ["instance_uuid"] = _plane.Instance.Uuid,
            ["status"] = "finished",
            ["migration_type"] = "resize",
            ["source_compute"] = TestPlane.HostName,
            ["dest_compute"] = TestPlane.HostName,
            ["source_node"] = "n",
            ["dest_node"] = "n",
        };
        _plane.Conductor.Migrations.Add(_migration);
    }

    [Fact]
    public async Task AResizeThatNobodyConfirmedIsConfirmedAsTheApiDoes()
    {
        await RunAsync(1);

        var (topic, server, method, args) = Assert.Single(_plane.Transport.Casts!);
        Assert.Equal(("compute", TestPlane.HostName, "confirm_resize"), (topic, server, method));
        Assert.Equal("confirming", (string?)args["migration"]!["nova_object.data"]!["status"]);
        Assert.Equal(_plane.Instance.Uuid, (string?)args["instance"]!["nova_object.data"]!["uuid"]);
        Assert.Equal("confirming", (string?)_migration["status"]);
        Assert.Equal("confirmResize", _plane.Conductor.Actions[^1].Action);
    }

    [Theory]
    [InlineData("resized", "deleting")]
    [InlineData("active", "resize_finish")]
    public async Task OneThatSomebodyIsAtWorkOnIsLeftAlone(string vmState, string taskState)
    {
        (_plane.Row["vm_state"], _plane.Row["task_state"]) = (vmState, taskState);

        await RunAsync(1);

        Assert.Empty(_plane.Transport.Casts!);
        Assert.Equal("finished", (string?)_migration["status"]);
    }

    [Theory]
    [InlineData("error", null)]
    [InlineData("active", null)]
    [InlineData("resized", "resize_reverting")]
    public async Task OneThatCannotBeConfirmedAnyMoreIsAnError(string vmState, string? taskState)
    {
        (_plane.Row["vm_state"], _plane.Row["task_state"]) = (vmState, taskState);

        await RunAsync(1);

        Assert.Empty(_plane.Transport.Casts!);
        Assert.Equal("error", (string?)_migration["status"]);
    }

    [Fact]
    public async Task OneOfADeletedServerIsAnError()
    {
        _plane.Row["deleted"] = true;

        await RunAsync(1);

        Assert.Equal("error", (string?)_migration["status"]);
    }

    [Fact]
    public async Task WithoutAWindowNothingIsAskedFor()
    {
        await RunAsync(0);

        Assert.Empty(_plane.Conductor.Requests);
    }

    private Task RunAsync(int seconds) => new ConfirmOldResizes(
        _plane.Client, new ComputeCasts(_plane.Transport, new ControlPlane()), new InstanceOptions { ResizeConfirmWindow = TimeSpan.FromSeconds(seconds) },
        new ServiceOptions { Host = TestPlane.HostName, MyIp = "192.0.2.10" }, new LogLines<ConfirmOldResizes>()).RunAsync(RequestContext.CreateAdmin(), default);
}
