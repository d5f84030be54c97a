using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Network;

namespace NovaLxd.Virt.Tests.Network;

[Trait("Lane", "root")]
public sealed class UnbridgedPlugTests : PortPlugContract
{
    private protected override Task<IPortPlug> CreatePlugAsync() => Task.FromResult<IPortPlug>(new UnbridgedPlug(Loggers.CreateLogger<UnbridgedPlug>()));

    private protected override PortSpec NewPort() => NewPort("tap", null);

    [Fact]
    public async Task PutsThePortIntoNoBridge()
    {
        var port = NewPort();

        await PlugAsync(port);

        Assert.Equal(0, (await Host.GetAsync(port.HostDevice)).Master);
    }
}
