using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Network;

public sealed class PortPlugsTests
{
    [Theory]
    [InlineData("binding_failed", "openstack network agent list")]
    [InlineData("unbound", "not bound to any host")]
    [InlineData("hw_veb", "vif type hw_veb, which is for virtual machines or hardware")]
    [InlineData("vhostuser", "use vnic type normal")]
    public async Task SaysWhatToDoAboutAVifTypeThatNoContainerCanHave(string vifType, string advice)
    {
        using var plugs = new PortPlugs(new VirtOptions { StateDirectory = "/nonexistent" }, NullLoggerFactory.Instance);
        var id = Guid.NewGuid();
        var port = new PortSpec { Id = id, VifType = vifType, MacAddress = "fa:16:3e:00:00:01", HostDevice = "tap" + id.ToString()[..11] };

        var error = await Assert.ThrowsAsync<PortPlugException>(() => plugs.PlugAsync(port, "eth0", CancellationToken.None));

        Assert.Contains(id.ToString(), error.Message, StringComparison.Ordinal);
        Assert.Contains(advice, error.Message, StringComparison.Ordinal);
    }
}
