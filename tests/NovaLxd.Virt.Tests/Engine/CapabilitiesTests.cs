using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Tests.Engine;

public sealed class CapabilitiesTests
{
    [Fact]
    public void ASystemContainerKeepsAllButModulesRawIoTimeAndMac() => Assert.Equal([16, 17, 25, 32, 33], Capabilities.Bounding(new SecuritySpec()));

    [Fact]
    public void APrivilegedOneLosesMoreButCanStillMountAndReboot()
    {
        var dropped = Capabilities.Bounding(new SecuritySpec { Privileged = true });
        Assert.Subset(dropped.ToHashSet(), Capabilities.Bounding(new SecuritySpec()).ToHashSet());
        Assert.Contains(39, dropped); // CAP_BPF
        Assert.DoesNotContain(21, dropped); // CAP_SYS_ADMIN
        Assert.DoesNotContain(22, dropped); // CAP_SYS_BOOT
    }
}
