using System.Globalization;
using System.Text;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;

namespace NovaLxd.FunctionalTests;

/// <summary>Servers with a config drive: what the guest reads, what the database says, and what is left of it.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class ConfigDriveTests(Broker broker) : IAsyncLifetime
{
    private const string Latest = "config-drive/openstack/latest/";
    private ComputeSite? _site;

    private ComputeSite Site => _site!;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_site is not null)
        {
            await _site.DisposeAsync();
        }
    }

    [Fact]
    public async Task AGuestReadsWhatTheUserAskedForOverItsWholeLife()
    {
        await StartAsync();
        var server = await Site.CreateActiveAsync(Asking(AskForEverything));

        await AssertReadableAsync(server);
        var row = await Site.RowAsync(server);
        Assert.Equal("True", (string?)row["config_drive"]);
        var devices = Site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["device_metadata"]!.DeepClone());
        Assert.Equal("front", (string?)devices["nova_object.data"]!["devices"]![0]!["nova_object.data"]!["tags"]![0]);

        Assert.Equal("Success", await Site.ActAsync(server, "reboot_instance", "rebooting", new JObject { ["block_device_info"] = null, ["reboot_type"] = "SOFT" }));
        await AssertReadableAsync(server);
        Assert.Equal("Success", await Site.ActAsync(server, "stop_instance", "powering-off", new JObject { ["clean_shutdown"] = false }));
        await Site.StopServiceAsync();
        await Site.StartServiceAsync();
        await Site.ServingAsync();
        Assert.Equal("Success", await Site.ActAsync(server, "start_instance", "powering-on"));
        await AssertReadableAsync(server);

        var before = await ReadAsync(Latest + "network_data.json");
        Assert.Equal("Success", await Site.AttachAsync(server, network: Site.Plane.NetworkId));
        Assert.Equal(before, await ReadAsync(Latest + "network_data.json"));

        Assert.Equal("Success", await Site.DeleteAsync(server));
        await Site.AssertGoneAsync(server);
    }

    [Theory]
    [InlineData("iso9660", 32769, "CD001")]
    [InlineData("vfat", 54, "FAT")]
    public async Task TheImageIsFoundByItsLabel(string format, int offset, string magic)
    {
        await StartAsync($"config_drive_format = {format}");
        await Site.CreateActiveAsync(Asking(arguments => Field(arguments, "config_drive", "True")));
        var init = Assert.Single(Site.Guests());
        var link = await Command.RunAsync("nsenter", "-t", init.ToString(CultureInfo.InvariantCulture), "-m", "/bin/busybox", "ls", "-l", "/dev/disk/by-label/config-2");
        Assert.Contains("-> /config-drive/disk.config", link, StringComparison.Ordinal);
        var image = await ReadBytesAsync("config-drive/disk.config");
        Assert.StartsWith(magic, Encoding.ASCII.GetString(image, offset, 5), StringComparison.Ordinal);
        Assert.True(image.AsSpan().IndexOf("config-2"u8) >= 0);
    }

    [Fact]
    public async Task ItIsThereAgainAfterTheHostWas()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, ["resume_guests_state_on_host_boot = true"], run: false);
        Site.Program.Start();
        await Site.ProgramServesAsync();
        var server = await Site.CreateActiveAsync(Asking(AskForEverything));

        await HostReboot.SimulateAsync(Site);
        await Site.RestartProgramAsync();

        await Site.StateAsync(server, "active");
        await AssertReadableAsync(server);
    }

    [Fact]
    public async Task TheOperatorCanForceItOnNewServersAlone()
    {
        await StartAsync();
        var earlier = await Site.CreateActiveAsync(Asking(_ => { }));
        Assert.False(File.Exists(await PathAsync("config-drive")) || Directory.Exists(await PathAsync("config-drive")));
        Assert.Equal("", (string?)(await Site.RowAsync(earlier))["config_drive"]);
        Assert.Equal("Success", await Site.DeleteAsync(earlier));

        await Site.StopServiceAsync();
        await File.AppendAllTextAsync(Site.ConfigurationFile, "[DEFAULT]\nforce_config_drive = true\n");
        await Site.StartServiceAsync();
        await Site.ServingAsync();
        var forced = await Site.CreateActiveAsync(Asking(_ => { }));
        Assert.Equal("True", (string?)(await Site.RowAsync(forced))["config_drive"]);
        Assert.Contains(forced.Uuid, await ReadAsync(Latest + "meta_data.json"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnImageCanAskForIt()
    {
        await StartAsync();
        var server = await Site.CreateActiveAsync(Asking(arguments =>
            ((JObject)arguments["instance"]!["nova_object.data"]!["system_metadata"]!)["image_img_config_drive"] = "mandatory"));
        Assert.Equal("True", (string?)(await Site.RowAsync(server))["config_drive"]);
        Assert.Contains(server.Uuid, await ReadAsync(Latest + "meta_data.json"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AHostThatCannotMakeItSaysWhyAndKeepsNothing()
    {
        await StartAsync("mkisofs_cmd = /nowhere/genisoimage");
        var server = await Site.CreateAsync(Asking(arguments => Field(arguments, "config_drive", "True")));
        await Site.StateAsync(server, "error");
        await Site.FinishedAsync(server.RequestId);
        Assert.Contains("mkisofs_cmd", Site.Fault(server), StringComparison.Ordinal);
        await Site.AssertGoneAsync(server);
    }

    private async Task StartAsync(params string[] settings) => _site = await ComputeSite.StartAsync(broker.Rabbit, settings);

    private ServerRequest Asking(Action<JObject> change) => new() { ImageId = Site.AddImage(), Change = change };

    private static void AskForEverything(JObject arguments)
    {
        Field(arguments, "config_drive", "True");
        Field(arguments, "user_data", Convert.ToBase64String("#!/bin/sh\n"u8.ToArray()));
        arguments["admin_password"] = "sesame";
        arguments["injected_files"] = new JArray { new JArray("/etc/motd", Convert.ToBase64String("welcome"u8.ToArray())) };
        arguments["requested_networks"]!["nova_object.data"]!["objects"]![0]!["nova_object.data"]!["tag"] = "front";
    }

    private static void Field(JObject arguments, string name, string value) => arguments["instance"]!["nova_object.data"]![name] = value;

    private async Task AssertReadableAsync(Server server)
    {
        var metadata = JObject.Parse(await ReadAsync(Latest + "meta_data.json"));
        Assert.Equal((server.Uuid, "sesame"), ((string?)metadata["uuid"], (string?)metadata["admin_pass"]));
        Assert.Equal("blue", (string?)metadata["meta"]!["colour"]);
        Assert.StartsWith("ssh-ed25519 ", (string?)metadata["public_keys"]!["lab"], StringComparison.Ordinal);
        Assert.Equal("/etc/motd", (string?)metadata["files"]![0]!["path"]);
        Assert.Equal("front", (string?)Assert.Single(metadata["devices"]!)["tags"]![0]);
        Assert.Equal("welcome", await ReadAsync("config-drive/openstack/content/0000"));
        Assert.Equal("#!/bin/sh\n", await ReadAsync(Latest + "user_data"));
        Assert.Equal("{}", await ReadAsync(Latest + "vendor_data.json"));
        var ec2 = JObject.Parse(await ReadAsync("config-drive/ec2/latest/meta-data.json"));
        Assert.Equal("default", (string?)Assert.Single(ec2["security-groups"]!));
        var port = Site.Plane.Conductor.Locked(c => c.VirtualInterfaces.First(v => (string?)v["instance_uuid"] == server.Uuid));
        var link = Assert.Single(JObject.Parse(await ReadAsync(Latest + "network_data.json"))["links"]!);
        Assert.Equal(((string?)port["uuid"], Site.Mac((string)port["uuid"]!)), ((string?)link["vif_id"], (string?)link["ethernet_mac_address"]));
        Assert.Equal("welcome", await ReadAsync("etc/motd"));
    }

    private async Task<string> ReadAsync(string path) => Encoding.UTF8.GetString(await ReadBytesAsync(path));

    private async Task<byte[]> ReadBytesAsync(string path) => await File.ReadAllBytesAsync(await PathAsync(path));

    /// <summary>A path in the only guest of the site.</summary>
    private async Task<string> PathAsync(string path)
    {
        await Site.UntilAsync("there is one guest", () => Task.FromResult(Site.Guests().Count == 1));
        return $"/proc/{Site.Guests()[0]}/root/{path}";
    }
}
