using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Tests.Objects;

public sealed class NetworkInfoTests
{
    private static readonly NetworkInfo Bridge = Recorded.Lines("objects/network-info-zed.jsonl").Select(NetworkInfo.Parse)
        .First(n => n.Vifs.Any(v => v.Active && v.Type == "bridge" && v.FixedIps.Any()));

    [Fact]
    public void ReadsWhatAPlugNeeds()
    {
        var vif = Bridge.Vifs[0];

        Assert.StartsWith("tap" + vif.Id[..11], vif.DevName, StringComparison.Ordinal);
        Assert.Equal("brq" + vif.Network!.Id![..11], vif.Network.Bridge);
        Assert.Equal(1450, vif.Network.Mtu);
        Assert.True(vif.Network.ShouldCreateBridge);
        Assert.Equal(4, vif.FixedIps.First().Version);
    }

    [Fact]
    public void KeysWeDoNotKnowSurvive()
    {
        var json = Bridge.ToJson();
        json[0]["from_the_future"] = new JObject { ["x"] = 1 };
        json[0]["network"]!["subnets"]![0]!["also"] = "kept";

        Assert.Equal(PythonJson.Write(json), NetworkInfo.Parse(json).Serialize());
    }

    [Fact]
    public void EqualityIgnoresMeta()
    {
        var other = Bridge.Vifs[0] with { Meta = new JObject { ["rxtx_cap"] = 2 } };

        Assert.Equal(Bridge, Bridge.With(other));
        Assert.NotEqual(Bridge, Bridge.With(other with { Active = false }));
        Assert.NotEqual(Bridge, Bridge.Without(other.Id));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("[]")]
    [InlineData("null")]
    public void NothingIsNoInterfaces(string? text) => Assert.Empty(NetworkInfo.Parse(text).Vifs);

    [Fact]
    public void StringsAreEscapedAsPythonDoes() =>
        Assert.Equal("{\"l\\u00e4bel\\n\\\"\": [1, 1.5, true, null]}", PythonJson.Write(new JObject { ["läbel\n\""] = new JArray(1, 1.5, true, JValue.CreateNull()) }));
}
