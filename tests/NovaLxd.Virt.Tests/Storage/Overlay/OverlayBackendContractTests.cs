using NovaLxd.Virt.Storage;
using NovaLxd.Virt.Storage.Overlay;

namespace NovaLxd.Virt.Tests.Storage.Overlay;

[Trait("Lane", "root")]
public sealed class OverlayBackendContractTests : StorageBackendContract
{
    private protected override IStorageBackend Create(string stateDirectory) =>
        new OverlayBackend(stateDirectory, TimeProvider.System, Log<OverlayBackend>());
}
