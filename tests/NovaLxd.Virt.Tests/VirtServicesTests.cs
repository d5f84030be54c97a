using Microsoft.Extensions.DependencyInjection;

namespace NovaLxd.Virt.Tests;

public sealed class VirtServicesTests
{
    [Fact]
    public async Task EveryPartIsThereAndBothDoorsLeadToOneDriver()
    {
        await using var parts = Build(new VirtOptions { StateDirectory = "/nowhere" });
        Assert.Same(parts.GetRequiredService<IContainerDriver>(), parts.GetRequiredService<IGuestAccess>());
    }

    [Fact]
    public async Task AnUnknownStorageBackendIsNamed()
    {
        await using var parts = Build(new VirtOptions { StateDirectory = "/nowhere", StorageBackend = "tape" });
        var failure = Assert.Throws<HostUnsuitableException>(() => parts.GetRequiredService<IContainerDriver>());
        Assert.Contains("'tape'", failure.Message, StringComparison.Ordinal);
    }

    internal static ServiceProvider Build(VirtOptions options) =>
        new ServiceCollection().AddLogging().AddSingleton(options).AddVirt().BuildServiceProvider(validateScopes: true);
}
