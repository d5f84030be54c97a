using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class PowerTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit);
        _server = await _site.CreateActiveAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task AServerIsStoppedAndStarted()
    {
        Assert.Equal("Success", await _site.ActAsync(_server, "stop_instance", "powering-off", new JObject { ["clean_shutdown"] = true }));
        await AssertStateAsync("stopped", 4, ContainerState.Stopped);
        Assert.DoesNotContain(_site.Plane.PortsSeen, ComputeSite.TapExists);

        Assert.Equal("Success", await _site.ActAsync(_server, "start_instance", "powering-on"));
        await AssertStateAsync("active", 1, ContainerState.Running);
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(_server))["id"]!));
    }

    [Theory]
    [InlineData("SOFT", "rebooting")]
    [InlineData("HARD", "rebooting_hard")]
    public async Task ARebootedServerHasANewInit(string type, string taskState)
    {
        var before = (await ContainerAsync()).InitPid;

        Assert.Equal("Success", await _site.ActAsync(
            _server, "reboot_instance", taskState, new JObject { ["block_device_info"] = null, ["reboot_type"] = type }));

        await AssertStateAsync("active", 1, ContainerState.Running);
        Assert.NotEqual(before, (await ContainerAsync()).InitPid);
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(_server))["id"]!));
    }

    [Fact]
    public async Task AServerIsPausedAndUnpaused()
    {
        Assert.Equal("Success", await _site.ActAsync(_server, "pause_instance", "pausing"));
        await AssertStateAsync("paused", 3, ContainerState.Frozen);

        Assert.Equal("Success", await _site.ActAsync(_server, "unpause_instance", "unpausing"));
        await AssertStateAsync("active", 1, ContainerState.Running);
    }

    /// <summary>SIGUSR2 is busybox init's poweroff.</summary>
    [Theory]
    [InlineData("USR2")]
    [InlineData("KILL")]
    public async Task AServerThatEndsByItselfIsStopped(string signal)
    {
        // Before its handlers are there, init loses the signal.
        await _site.UntilAsync("init has begun its work", async () => ((string?)await _site.CallAsync(
            _server, "get_console_output", new JObject { ["tail_length"] = null }))!.Contains(BusyboxImage.Greeting, StringComparison.Ordinal));
        await Command.RunAsync("kill", "-" + signal, (await ContainerAsync()).InitPid.ToString(System.Globalization.CultureInfo.InvariantCulture));

        await _site.StateAsync(_server, "stopped");

        Assert.DoesNotContain(_site.Plane.PortsSeen, ComputeSite.TapExists);
        Assert.Equal("Success", await _site.ActAsync(_server, "start_instance", "powering-on"));
        await AssertStateAsync("active", 1, ContainerState.Running);
    }

    [Fact]
    public async Task TheConsoleAndTheDiagnosticsAreAnswered()
    {
        string? console = null;
        await _site.UntilAsync("the guest has said something", async () =>
            (console = (string?)await _site.CallAsync(_server, "get_console_output",
                new JObject { ["tail_length"] = null }))!.Contains(BusyboxImage.Greeting, StringComparison.Ordinal));
        var last = (string?)await _site.CallAsync(_server, "get_console_output", new JObject { ["tail_length"] = 0 });
        Assert.Equal("", last);

        var diagnostics = (JObject)(await _site.CallAsync(_server, "get_instance_diagnostics"))!["nova_object.data"]!;
        Assert.Equal("running", (string?)diagnostics["state"]);
        Assert.True((int?)diagnostics["uptime"] >= 0);
        Assert.Equal((string?)_site.Ports(_server)[0]["mac_address"],
            (string?)Assert.Single(diagnostics["nic_details"]!)["nova_object.data"]!["mac_address"]);
        var old = (JObject)(await _site.CallAsync(_server, "get_diagnostics"))!;
        Assert.True((long?)old["memory"] > 0);
    }

    private async Task<ContainerInfo> ContainerAsync() => (await _site.Driver.FindAsync(Guid.Parse(_server.Uuid), default))!;

    private async Task AssertStateAsync(string vmState, int powerState, ContainerState container)
    {
        var row = await _site.RowAsync(_server);
        Assert.Equal((vmState, null, powerState), ((string?)row["vm_state"], (string?)row["task_state"], (int?)row["power_state"]));
        Assert.Equal(container, (await ContainerAsync()).State);
    }
}
