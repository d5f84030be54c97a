using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Objects;
using NovaLxd.Resources;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Conductor;

/// <summary>The messages between the steps of a resize, beside recorded ones (tests/wire/rpc/resize-zed.json).</summary>
public sealed class ComputeCastsTests
{
    private readonly TestPlane _plane = new();
    private readonly JObject _recorded = (JObject)Recorded.Json("rpc/resize-zed.json");
    private readonly Migration _migration;

    public ComputeCastsTests()
    {
        _plane.Transport.Casts = [];
        _migration = NovaObject.As<Migration>((JObject)_recorded["prep_resize"]!["migration"]!);
        (_migration.SourceCompute, _migration.DestCompute) = ("source", "dest");
    }

    [Theory]
    [InlineData(64, "compute")]
    [InlineData(70, "compute")]
    [InlineData(72, "compute-alt")]
    public async Task TheyAreNovasAndGoWhereTheReleaseListens(int release, string topic)
    {
        var plane = new ControlPlane();
        plane.Learn(release);
        var casts = new ComputeCasts(_plane.Transport, plane);
        var flavor = NovaObject.As<Flavor>((JObject)_recorded["prep_resize"]!["flavor"]!);
        var spec = NovaObject.As<RequestSpec>((JObject)_recorded["prep_resize"]!["request_spec"]!);
        var image = (JObject)_recorded["prep_resize"]!["image"]!;

        await casts.ResizeInstanceAsync(_plane.Context, _plane.Instance, _migration, image, flavor, spec, true, default);
        await casts.FinishResizeAsync(_plane.Context, _plane.Instance, _migration, image, spec, default);
        await casts.FinishRevertResizeAsync(_plane.Context, _plane.Instance, _migration, spec, default);

        Assert.Equal(
            [(topic, TestPlane.HostName, "resize_instance"), (topic, "dest", "finish_resize"), (topic, "source", "finish_revert_resize")],
            _plane.Transport.Casts!.Select(c => (c.Topic, c.Server, c.Method)));
        Assert.All(_plane.Transport.Casts!, cast => Assert.Equal(
            _recorded["casts"]![cast.Method]!.Select(a => (string)a!), cast.Args.Properties().Select(p => p.Name).Order(StringComparer.Ordinal)));
        Assert.True(JToken.DeepEquals(image, _plane.Transport.Casts![0].Args["image"]));
    }

    /// <summary>As the API does for a user, whatever the release.</summary>
    [Fact]
    public async Task AConfirmationGoesToTheMainTopic()
    {
        var plane = new ControlPlane();
        plane.Learn(72);

        await new ComputeCasts(_plane.Transport, plane).ConfirmResizeAsync(_plane.Context, _plane.Instance, _migration, default);

        Assert.Equal(("compute", "source", "confirm_resize"), _plane.Transport.Casts!.Select(c => (c.Topic, c.Server, c.Method)).Single());
    }
}
