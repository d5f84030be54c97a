using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

[Collection("site"), Trait("Lane", "functional")]
public sealed class RescueTests(Broker broker) : IAsyncLifetime
{
    /// <summary>What a real Nova of Zed was asked and did.</summary>
    private static readonly JObject Zed = JObject.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "wire", "rescue-zed.json")));

    private ComputeSite _site = null!;
    private Server _server = null!;

    public async Task InitializeAsync()
    {
        // Long ago for a task that comes once a minute; asked for here by one test, and no other is rescued for so long.
        _site = await ComputeSite.StartAsync(broker.Rabbit, ["rescue_timeout = 1800", "periodic_fuzzy_delay = 0"]);
        _server = await _site.CreateOwnAsync();
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Fact]
    public async Task WhatIsMendedInARescueIsThereAfterwards()
    {
        var launched = (string?)(await _site.RowAsync(_server))["launched_at"];
        await ShellAsync("echo broken > /etc/fstab; chown 1000:1001 /etc/fstab");
        var saves = _site.Plane.Saves.Count;

        Assert.Equal("Success", await _site.RescueAsync(_server));

        await AssertStateAsync("rescued", ContainerState.Running);
        AssertSaves("rescue", saves);
        Assert.True(string.CompareOrdinal((string?)(await _site.RowAsync(_server))["launched_at"], launched) >= 0);
        Assert.Equal(("rescue", "own"), (_site.ReadInside(Rescue.Which), _site.ReadInside(Rescue.RescuedWhich)));
        Assert.StartsWith("root:$6$", _site.ReadInside("/etc/shadow"), StringComparison.Ordinal);
        Assert.StartsWith("root:*", _site.ReadInside("/mnt/instance/etc/shadow"), StringComparison.Ordinal);
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(_server))["id"]!));
        Assert.Equal("1000:1001", await ShellAsync("stat -c %u:%g /mnt/instance/etc/fstab"));
        await ShellAsync("echo mended > /mnt/instance/etc/fstab; echo lost > /etc/mark");
        saves = _site.Plane.Saves.Count;

        Assert.Equal("Success", await _site.UnrescueAsync(_server));

        await AssertStateAsync("active", ContainerState.Running);
        AssertSaves("unrescue", saves);
        Assert.Equal(("own", "mended\n"), (_site.ReadInside(Rescue.Which), _site.ReadInside("/etc/fstab")));
        Assert.False(_site.ExistsInside(Rescue.RescuedWhich) || _site.ExistsInside("/etc/mark"));
        Assert.True(ComputeSite.TapExists((string)Assert.Single(_site.Ports(_server))["id"]!));
        Assert.Equal(1, _site.Roots());
    }

    [Fact]
    public async Task WithoutAnImageItIsTheOneTheServerWasMadeFrom()
    {
        await ShellAsync("echo changed > /etc/which");

        Assert.Equal("Success", await _site.ActAsync(_server, "rescue_instance", "rescuing", Rescue.Arguments(null)));

        Assert.Equal(("own", "changed\n"), (_site.ReadInside(Rescue.Which), _site.ReadInside(Rescue.RescuedWhich)));
    }

    [Theory]
    [InlineData("SOFT", "rebooting")]
    [InlineData("HARD", "rebooting_hard")]
    public async Task ARebootStaysInTheRescueSystem(string type, string taskState)
    {
        Assert.Equal("Success", await _site.RescueAsync(_server));
        var before = Assert.Single(_site.Guests());
        await ShellAsync("echo kept > /etc/mark");

        Assert.Equal("Success", await _site.ActAsync(
            _server, "reboot_instance", taskState, new JObject { ["block_device_info"] = null, ["reboot_type"] = type }));

        await AssertStateAsync("rescued", ContainerState.Running);
        Assert.NotEqual(before, Assert.Single(_site.Guests()));
        Assert.Equal(("rescue", "own", "kept\n"), (_site.ReadInside(Rescue.Which), _site.ReadInside(Rescue.RescuedWhich), _site.ReadInside("/etc/mark")));
    }

    [Fact]
    public async Task ADeleteWhileRescuedLeavesNothing()
    {
        Assert.Equal("Success", await _site.RescueAsync(_server));
        Assert.Equal(2, _site.Roots());

        Assert.Equal("Success", await _site.DeleteAsync(_server));

        await _site.AssertGoneAsync(_server);
        Assert.Equal(0, _site.Roots());
        Assert.Empty(Directory.EnumerateDirectories(Directory.EnumerateDirectories(_site.StateFolder, "containers", SearchOption.AllDirectories).Single()));
    }

    /// <summary>The guest does not pay for an image that cannot be booted from the outset.</summary>
    [Fact]
    public async Task AnImageThatCannotBeHadLeavesTheGuestRunning()
    {
        var init = Assert.Single(_site.Guests());

        Assert.Equal("Error", await _site.RescueAsync(_server, _site.AddImage("this is no image"u8.ToArray())));
        Assert.Contains("cannot be rescued", _site.Fault(_server), StringComparison.Ordinal);
        Assert.Equal("Error", await _site.RescueAsync(_server, Guid.NewGuid().ToString()));
        Assert.Contains("There is no image", _site.Fault(_server), StringComparison.Ordinal);

        await AssertStateAsync("active", ContainerState.Running);
        Assert.Equal((init, 1), (Assert.Single(_site.Guests()), _site.Roots()));
    }

    [Fact]
    public async Task ARescueSystemThatDoesNotBootIsAnErrorThatAHardRebootMends()
    {
        Assert.Equal("Error", await _site.RescueAsync(_server, _site.AddImage(BusyboxImage.Make(init: ""))));

        await AssertStateAsync("error", ContainerState.Stopped, power: null);
        Assert.Contains("cannot be rescued: Driver Error", _site.Fault(_server), StringComparison.Ordinal);
        Assert.Equal(1, _site.Roots());
        Assert.Equal("Success", await _site.ActAsync(
            _server, "reboot_instance", "rebooting_hard", new JObject { ["block_device_info"] = null, ["reboot_type"] = "HARD" }));
        await AssertStateAsync("active", ContainerState.Running);
        Assert.Equal("own", _site.ReadInside(Rescue.Which));
    }

    /// <summary>An administrator has reset the state: what the server says it is, it becomes at its next hard reboot.</summary>
    [Fact]
    public async Task AServerThatIsSaidToBeActiveBootsItself()
    {
        Assert.Equal("Success", await _site.RescueAsync(_server));
        _site.Plane.Conductor.Locked(c => c.Instances[_server.Uuid]["vm_state"] = "active");

        Assert.Equal("Success", await _site.ActAsync(
            _server, "reboot_instance", "rebooting_hard", new JObject { ["block_device_info"] = null, ["reboot_type"] = "HARD" }));

        await AssertStateAsync("active", ContainerState.Running);
        Assert.Equal(("own", 1), (_site.ReadInside(Rescue.Which), _site.Roots()));
    }

    [Fact]
    public async Task ARescueThatLastsTooLongIsEnded()
    {
        Assert.Equal("Success", await _site.RescueAsync(_server));
        _site.Plane.Conductor.Locked(c => c.Instances[_server.Uuid]["launched_at"] = "2020-01-01T00:00:00Z");

        await _site.StateAsync(_server, "active");

        Assert.Equal("own", _site.ReadInside(Rescue.Which));
        await _site.UntilAsync("its owner finds what happened", () => Task.FromResult(_site.Plane.Conductor.Locked(c =>
            c.Actions.Any(a => a.InstanceUuid == _server.Uuid && a.Events.Any(e => e is { Name: "compute_unrescue_instance", Result: "Success" })))));
    }

    private async Task<string> ShellAsync(string line)
    {
        var result = await _site.Services.GetRequiredService<IGuestAccess>().ExecAsync(Guid.Parse(_server.Uuid), Rescue.Shell(line), CancellationToken.None);
        Assert.True(result.ExitCode == 0, $"'{line}' ended with {result.ExitCode}: {Encoding.UTF8.GetString(result.StandardError)}");
        return Encoding.UTF8.GetString(result.StandardOutput).Trim();
    }

    private async Task AssertStateAsync(string vmState, ContainerState container, int? power = 1)
    {
        var row = await _site.RowAsync(_server);
        Assert.Equal((vmState, null), ((string?)row["vm_state"], (string?)row["task_state"]));
        Assert.Equal(power ?? (int?)row["power_state"], (int?)row["power_state"]);
        Assert.Equal(container, (await _site.Driver.FindAsync(Guid.Parse(_server.Uuid), default))!.State);
    }

    /// <summary>The saves of the recording, and no others.</summary>
    private void AssertSaves(string operation, int before)
    {
        var recorded = Zed[operation]!["calls"]!.Where(c => (string?)c["call"] == "Instance.save").Select(c =>
            ((string?)c["saved"]!["vm_state"], (string?)c["saved"]!["task_state"], ControlPlane.Expected(c["expected_task_state"])));
        Assert.Equal(recorded, _site.Plane.Saves.Skip(before).Where(s => s.Uuid == _server.Uuid).Select(s => (s.VmState, s.TaskState, s.ExpectedTaskState)));
    }
}
