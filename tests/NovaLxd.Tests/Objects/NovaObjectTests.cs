using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Tests.Objects;

public sealed class NovaObjectTests
{
    [Fact]
    public void SettersRecordTheChange()
    {
        var instance = Recorded.Object<Instance>("zed");
        instance.ResetChanges();

        instance.TaskState = null;
        instance.VmState = VmState.Stopped;

        Assert.Equal(["task_state", "vm_state"], instance.Changes.Order());
        Assert.Equal(["task_state", "vm_state"], instance.ToPrimitive()["nova_object.changes"]!.Select(c => (string)c!).Order());
    }

    [Fact]
    public void ReadingWhatWasNotLoadedSaysWhatToLoad()
    {
        var instance = NovaObject.Create<Instance>();

        var fault = Assert.Throws<FieldNotLoadedException>(() => instance.Flavor);

        Assert.Equal("flavor", fault.Field);
        Assert.Contains("Instance.flavor", fault.Message, StringComparison.Ordinal);
        Assert.False(instance.IsSet("flavor"));
    }

    [Fact]
    public void NullIsNotTheSameAsNotLoaded()
    {
        var instance = Recorded.Object<Instance>("zed");
        instance.TaskState = null;

        Assert.True(instance.IsSet("task_state"));
        Assert.Null(instance.TaskState);
    }

    [Fact]
    public void ADictionaryIsChangedAsAWhole()
    {
        var instance = Recorded.Object<Instance>("zed", "system_metadata");
        instance.ResetChanges();

        instance.SystemMetadata["network_allocated"] = "True";
        Assert.True(instance.SystemMetadata.Remove("network_allocated"));

        Assert.Equal(["system_metadata"], instance.Changes);
        Assert.False(instance.SystemMetadata.ContainsKey("network_allocated"));
    }

    [Fact]
    public void WritingTheValueADictionaryHasIsNoChange()
    {
        var instance = Recorded.Object<Instance>("zed", "system_metadata");
        instance.ResetChanges();

        instance.SystemMetadata["image_min_ram"] = instance.SystemMetadata["image_min_ram"];

        Assert.Empty(instance.Changes);
    }

    [Fact]
    public void AChangeInsideANestedObjectShowsInItsOwner()
    {
        var instance = Recorded.Object<Instance>("zed", "info_cache");
        instance.ResetChanges();

        instance.InfoCache!.NetworkInfo = NetworkInfo.Empty;

        Assert.Equal(["info_cache"], instance.Changes);
        var primitive = instance.ToPrimitive();
        Assert.Equal("info_cache", (string?)primitive["nova_object.changes"]![0]);
        Assert.Equal("network_info", (string?)primitive["nova_object.data"]!["info_cache"]!["nova_object.changes"]![0]);
    }

    [Fact]
    public void AListObjectHasChangedWhenAnElementHas()
    {
        var list = NovaList<Tag>.Of([NovaObject.Create<Tag>()]);
        list.ResetChanges();
        list.Objects[0].Set("tag", "blue");

        Assert.Equal(["objects"], list.Changes);
    }

    [Fact]
    public void UpdatesReplaceFieldsAndLeaveNoChanges()
    {
        var instance = Recorded.Object<Instance>("zed", "flavor");
        var before = instance.Flavor;
        var flavor = (JObject)before.Primitive.DeepClone();
        flavor["nova_object.changes"] = new JArray("name");
        flavor["nova_object.data"]!["name"] = "m1.other";
        instance.VmState = VmState.Active;

        instance.ApplyUpdates(new JObject
        {
            ["updated_at"] = "2026-11-24T03:07:28Z",
            ["flavor"] = flavor,
            ["compute_id"] = 3,
            ["obj_what_changed"] = new JArray("flavor"),
        });

        Assert.Empty(instance.Changes);
        Assert.Equal("m1.other", instance.Flavor.Name);
        Assert.Equal(new DateTimeOffset(2026, 11, 24, 3, 7, 28, TimeSpan.Zero), instance.UpdatedAt);
        Assert.Equal(3, instance.GetInt("compute_id"));
    }

    [Fact]
    public void TimesAreWrittenInWholeSecondsOfUtc()
    {
        var instance = Recorded.Object<Instance>("zed");

        instance.LaunchedAt = new DateTimeOffset(2026, 1, 2, 5, 4, 5, 678, TimeSpan.FromHours(2));

        Assert.Equal("2026-01-02T03:04:05Z", (string?)instance.Get("launched_at"));
    }

    [Theory]
    [InlineData("2026-11-24T03:07:28Z")]
    [InlineData("2026-11-24T03:07:28")]
    [InlineData("2026-11-24T03:07:28.000000")]
    [InlineData("2026-11-24T04:07:28+01:00")]
    public void TimesAreReadInAnyIsoForm(string text) =>
        Assert.Equal(new DateTimeOffset(2026, 11, 24, 3, 7, 28, TimeSpan.Zero), WireTime.Parse(text));

    [Fact]
    public void AnObjectOfAnotherKindIsRefused()
    {
        var flavor = NovaObject.Create<Flavor>().Primitive;

        var fault = Assert.Throws<FormatException>(() => NovaObject.As<Instance>(flavor));

        Assert.Equal("Expected a Instance, received a Flavor.", fault.Message);
    }

    [Fact]
    public void ACloneIsIndependent()
    {
        var instance = Recorded.Object<Instance>("zed");
        var clone = NovaObject.Clone(instance);

        clone.VmState = VmState.Error;

        Assert.NotEqual(VmState.Error, instance.VmState);
    }

    [Fact]
    public void PlacingOnANodeSetsTheRowIdOnlyWhereTheControlPlaneHasIt()
    {
        var zed = Recorded.Object<Instance>("zed");
        var newer = Recorded.Object<Instance>("2026.1");

        zed.PlaceOn("h", "n", 7);
        newer.PlaceOn("h", "n", 7);

        Assert.DoesNotContain("compute_id", zed.Changes);
        Assert.Equal(7, newer.GetInt("compute_id"));
    }

    [Theory]
    [InlineData("instance-%08x", "instance-0000002a")]
    [InlineData("i%d", "i42")]
    [InlineData("%(uuid)s", "cebaf234-4e02-46b8-af4f-80a117edfcc0")]
    [InlineData("%(id)03d-%(hostname)s-100%%", "042-wire-100%")]
    public void NamesFollowTheTemplate(string template, string name) => Assert.Equal(name, FortyTwo().NameFrom(template));

    [Theory]
    [InlineData("instance-%q")]
    [InlineData("%(no_such_field)s")]
    [InlineData("instance-%08")]
    [InlineData("%(uuid")]
    public void ATemplateThatCannotBeFollowedIsRefused(string template) =>
        Assert.Contains(template, Assert.Throws<FormatException>(() => FortyTwo().NameFrom(template)).Message, StringComparison.Ordinal);

    private static Instance FortyTwo()
    {
        var instance = NovaObject.Create<Instance>();
        instance.Set("id", 42);
        instance.Set("uuid", "cebaf234-4e02-46b8-af4f-80a117edfcc0");
        instance.Set("hostname", "wire");
        return instance;
    }
}
