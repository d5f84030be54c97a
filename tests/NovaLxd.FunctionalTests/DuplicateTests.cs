using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using RabbitMQ.Client;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class DuplicateTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    /// <summary>As the broker redelivers, or a sender repeats that saw no confirmation: the same message, with the same id.</summary>
    [Fact]
    public async Task AMessageThatComesTwiceBuildsOnce()
    {
        var server = _site.NewServer(new ServerRequest { ImageId = _site.AddImage() });
        var message = Message(server);
        await using var connection = await broker.Rabbit.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync();
        var properties = new BasicProperties { ContentType = "application/json", ContentEncoding = "utf-8" };

        await channel.BasicPublishAsync("nova", $"compute.{_site.Mark}", mandatory: true, properties, message);
        await channel.BasicPublishAsync("nova", $"compute.{_site.Mark}", mandatory: true, properties, message);
        await _site.StateAsync(server, "active");
        Assert.Equal("Success", await _site.FinishedAsync(server.RequestId));

        // Had the second one been taken, its event would stand beside the first.
        Assert.Equal("Success", await _site.ActAsync(server, "pause_instance", "pausing"));
        Assert.Single(_site.Plane.Conductor.Locked(c => c.Actions.Single(a => a.RequestId == server.RequestId).Events.ToList()));
        Assert.Single(_site.Ports(server));
        Assert.Single(await _site.Driver.ListAsync(default));
        Assert.Single(_site.Plane.Saves, s => s is { TaskState: "spawning" });
    }

    /// <summary>The same request under a new id, as after an operator's replay: the guest is not replaced.</summary>
    [Theory]
    [InlineData("active")]
    [InlineData("stopped")]
    [InlineData("error")]
    public async Task ASecondBuildOfAServerThatIsThereIsNotDone(string state)
    {
        var server = await _site.CreateActiveAsync();
        if (state == "stopped")
        {
            Assert.Equal("Success", await _site.ActAsync(server, "stop_instance", "powering-off", new JObject { ["clean_shutdown"] = false }));
        }
        else if (state == "error")
        {
            _site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["vm_state"] = "error");
        }

        var (guests, ports) = (_site.Guests(), _site.Ports(server).Select(p => (string?)p["id"]).ToList());
        var saves = _site.Plane.Saves.Count(s => s.Uuid == server.Uuid);

        await _site.BuildAsync(server);
        await _site.UntilAsync("the second build has ended", () => Task.FromResult(_site.Plane.Conductor.Locked(c =>
            c.Actions.Single(a => a.RequestId == server.RequestId).Events.Count(e => e.Result is not null)) == 2));

        Assert.Equal(guests, _site.Guests());
        Assert.Equal(ports, _site.Ports(server).Select(p => (string?)p["id"]));
        Assert.Equal(saves, _site.Plane.Saves.Count(s => s.Uuid == server.Uuid));
        var row = await _site.RowAsync(server);
        Assert.Equal((state, null, _site.Mark), ((string?)row["vm_state"], (string?)row["task_state"], (string?)row["host"]));
        Assert.Contains(server.Uuid, _site.Plane.Cloud.Placement.Consumers.Keys);
    }

    [Fact]
    public async Task ADeleteThatIsAskedForTwiceSucceedsOnce()
    {
        var server = await _site.CreateActiveAsync();

        var first = await _site.SendAsync(server, "terminate_instance", "deleting", ComputeSite.Bdms());
        var second = await _site.SendAsync(server, "terminate_instance", "deleting", ComputeSite.Bdms());
        Assert.Equal(["Success", "Success"], [await _site.FinishedAsync(first), await _site.FinishedAsync(second)]);

        await _site.AssertGoneAsync(server);
    }

    private byte[] Message(Server server)
    {
        var message = new JObject
        {
            ["method"] = "build_and_run_instance",
            ["args"] = server.Arguments,
            ["version"] = "6.0",
            ["_unique_id"] = Guid.NewGuid().ToString("N"),
        };
        foreach (var value in _site.Plane.NewContext(server.RequestId).ToJson())
        {
            message["_context_" + value.Key] = value.Value;
        }

        return Encoding.UTF8.GetBytes(new JObject
        {
            ["oslo.version"] = "2.0",
            ["oslo.message"] = message.ToString(Formatting.None)
        }.ToString(Formatting.None));
    }
}
