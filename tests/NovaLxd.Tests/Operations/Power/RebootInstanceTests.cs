using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Network;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.TestCloud.Http;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Power;

public sealed class RebootInstanceTests : IAsyncLifetime
{
    private readonly TestPlane _plane = new();
    private HttpCloud _cloud = null!;

    public async Task InitializeAsync()
    {
        _cloud = await HttpCloud.StartAsync();
        var configuration = _cloud.Configuration().ToDictionary(l => $"{l.Section}.{l.Option}", l => l.Value);
        var openStack = OpenStackOptions.Read((section, option) => configuration.GetValueOrDefault($"{section}.{option}"), []);
        _plane.Services.AddLogging();
        _plane.Services.AddOpenStack(_ => openStack);
        _plane.Services
            .AddSingleton(new ServiceOptions { Host = TestPlane.HostName, MyIp = "192.0.2.10" }).AddSingleton(new ServiceHost(TestPlane.HostName))
            .AddSingleton(new NetworkOptions()).AddSingleton(new NeutronSectionOptions()).AddSingleton(new InstanceOptions())
            .AddSingleton<InstanceEvents>().AddSingleton<InstancePlugging>().AddSingleton<InstancePower>()
            .AddSingleton<NetworkInfoReader>().AddSingleton<PortRequests>().AddSingleton<PortRelease>().AddSingleton<PortAllocation>()
            .AddSingleton<InfoCaches>().AddSingleton<InstancePorts>();
        _plane.Driver.States[Guid.Parse(_plane.Instance.Uuid)] = ContainerState.Running;
        _plane.Row["task_state"] = TaskState.Rebooting;
    }

    public async Task DisposeAsync() => await _cloud.DisposeAsync();

    /// <summary>The driver has launched it again already when it says that it had to kill the guest: it is not to boot twice.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ASoftRebootIsOneReboot(bool byItself)
    {
        _plane.Driver.RebootsByItself = byItself;

        await _plane.RunAsync("reboot_instance", new JObject { ["reboot_type"] = "SOFT" });

        Assert.Equal(["reboot"], _plane.Driver.Calls);
        Assert.Equal(("active", null), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"]));
        Assert.Empty(_plane.Conductor.Faults);
    }
}
