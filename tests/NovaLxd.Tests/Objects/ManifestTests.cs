using NovaLxd.Objects;

namespace NovaLxd.Tests.Objects;

public sealed class ManifestTests
{
    [Theory]
    [InlineData(64, "2.7", "1.34")]
    [InlineData(66, "2.7", "1.34")]
    [InlineData(67, "2.8", "1.37")]
    [InlineData(68, "2.8", "1.39")]
    [InlineData(72, "2.8", "1.42")]
    public void AsksForNothingThatTheOldestConductorDoesNotKnow(int conductor, string instance, string imageProperties)
    {
        var manifest = Manifest.For(conductor);

        Assert.Equal(instance, manifest["Instance"]);
        Assert.Equal(imageProperties, manifest["ImageMetaProps"]);
        Assert.Equal("1.22", manifest["Service"]);
    }

    [Fact]
    public void IsZedsOwn()
    {
        var zed = (Newtonsoft.Json.Linq.JObject)Recorded.Json("objects/fields-zed.json");

        foreach (var (name, version) in Manifest.Zed.Versions)
        {
            Assert.Equal((string?)zed[name]!["version"], version);
        }
    }

    [Fact]
    public void ANewerMinorVersionIsUnderstoodAndAnotherMajorIsNot()
    {
        Assert.True(Manifest.Zed.Understands("Instance", "2.8"));
        Assert.False(Manifest.Zed.Understands("Instance", "3.0"));
    }
}
