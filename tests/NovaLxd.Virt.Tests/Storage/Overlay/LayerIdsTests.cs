using NovaLxd.Virt.Storage.Overlay.Layers;

namespace NovaLxd.Virt.Tests.Storage.Overlay;

public sealed class LayerIdsTests
{
    private static readonly LayerIds _ids = new(1_000_000);

    /// <summary>cap_net_raw, effective and permitted (linux/capability.h), in revision 3 and 2.</summary>
    private const string ByRootOf1000000 = "0100000300200000000000000000000000000000" + "40420F00";

    [Theory]
    [InlineData(1_000_000, 0)]
    [InlineData(1_065_535, 65535)]
    [InlineData(1_065_536, 65534)]
    [InlineData(999_999, 65534)]
    [InlineData(0, 65534)]
    public void IdsBeginWithZero(uint host, uint guest) => Assert.Equal(guest, _ids.ToGuest(host));

    [Theory]
    [InlineData(ByRootOf1000000, "0100000200200000000000000000000000000000")]
    [InlineData("0100000300200000000000000000000000000000" + "41420F00", "0100000300200000000000000000000000000000" + "01000000")]
    [InlineData("0100000300200000000000000000000000000000" + "01000000", null)]
    [InlineData("0100000200200000000000000000000000000000", "0100000200200000000000000000000000000000")]
    public void ACapabilityOfTheGuestsRootIsAnyRoots(string value, string? expected) =>
        Assert.Equal(expected, _ids.Capability(Convert.FromHexString(value)) is { } converted ? Convert.ToHexString(converted) : null);

    /// <summary>Owner rwx, user 1000 r, mask r, others nothing; only the named user has an id.</summary>
    [Fact]
    public void NamedUsersOfAnAccessControlListAreTheGuests()
    {
        const string before = "02000000" + "01000700FFFFFFFF" + "02000400" + "28460F00" + "10000400FFFFFFFF" + "20000000FFFFFFFF";
        const string after = "02000000" + "01000700FFFFFFFF" + "02000400" + "E8030000" + "10000400FFFFFFFF" + "20000000FFFFFFFF";
        Assert.Equal(after, Convert.ToHexString(_ids.Acl(Convert.FromHexString(before))!));
        Assert.Null(_ids.Acl(Convert.FromHexString("0200000001")));
        Assert.Null(_ids.Acl(Convert.FromHexString("03000000")));
    }

    [Fact]
    public void WithoutUserNamespaceNothingIsShifted()
    {
        Assert.Equal(1000u, default(LayerIds).ToGuest(1000));
        Assert.Equal(LayerIds.Nobody, default(LayerIds).ToGuest(70000));
    }
}
