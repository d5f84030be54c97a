using NovaLxd.Supervisor;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Tests.Supervisor;

public sealed class InitExitTests
{
    [Theory]
    [InlineData(0x0001, false, true, ContainerState.Stopped)] // SIGHUP: reboot(2), restart
    [InlineData(0x0002, false, false, ContainerState.Stopped)] // SIGINT: reboot(2), halt or power off
    [InlineData(0x0000, false, false, ContainerState.Stopped)]
    [InlineData(0x0100, false, false, ContainerState.Crashed)]
    [InlineData(0x000b, false, false, ContainerState.Crashed)]
    [InlineData(0x0009, false, false, ContainerState.Crashed)]
    [InlineData(0x0009, true, false, ContainerState.Stopped)]
    [InlineData(0x008b, false, false, ContainerState.Crashed)] // with core
    public void TheWaitStatusSaysWhatTheGuestDid(int bits, bool killed, bool reboot, object state)
    {
        var exit = InitExit.Classify(WaitStatus.FromBits(bits), killed);
        Assert.Equal((reboot, (ContainerState)state), (exit.Reboot, exit.State));
    }

    [Fact]
    public void AnUnknownEndIsAStop() => Assert.Equal((false, ContainerState.Stopped), (InitExit.Classify(null, false).Reboot, InitExit.Classify(null, false).State));
}
