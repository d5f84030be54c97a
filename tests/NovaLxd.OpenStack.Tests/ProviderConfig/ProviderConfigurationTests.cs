using System.Collections.Immutable;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.Placement.Models;
using NovaLxd.OpenStack.ProviderConfig;

namespace NovaLxd.OpenStack.Tests.ProviderConfig;

public sealed class ProviderConfigurationTests : CloudTest
{
    private const string Uuid = "9aedf423-39a3-4bc0-ab26-54bb7d2a9117";

    private const string Everybody = """
        meta:
          schema_version: '1.0'
        providers:
          - identification:
              uuid: $COMPUTE_NODE
            inventories:
              additional:
                - CUSTOM_LICENCE:
                    total: 22
                    reserved: 2
                    allocation_ratio: 1.5
            traits:
              additional:
                - CUSTOM_RACK_7
        """;

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("provider-config");
    private readonly FakeLogger logger = new();

    public override async Task DisposeAsync()
    {
        directory.Delete(recursive: true);
        await base.DisposeAsync();
    }

    private ProviderConfiguration Load(params string[] files)
    {
        for (var i = 0; i < files.Length; i++)
            File.WriteAllText(Path.Combine(directory.FullName, $"{i}.yaml"), files[i]);
        return ProviderConfiguration.Load(directory.FullName, logger);
    }

    private string Refusal(params string[] files) => Assert.Throws<ProviderConfigException>(() => Load(files)).Message;

    private static ProviderTree Tree() => ProviderTree.Empty.With(new ResourceProvider(Uuid, "cmp1")
    {
        Traits = ["COMPUTE_NODE"],
        Inventories = ImmutableSortedDictionary<string, Inventory>.Empty.Add("VCPU", new Inventory(4)),
    });

    private static bool Ours(ResourceProvider provider, string resourceClass) => resourceClass is "VCPU" or "CUSTOM_OURS";

    private static string Provider(string identification, string rest = "traits: {additional: [CUSTOM_A]}") =>
        $"meta: {{schema_version: '1.0'}}\nproviders:\n- identification: {identification}\n  {rest}\n";

    [Fact]
    public async Task AdditionsReachPlacementBesideTheHostsOwn()
    {
        Cloud.Placement.AddStandardTraits("COMPUTE_NODE");
        var configuration = Load(Everybody);
        var client = Start().GetRequiredService<PlacementClient>();
        for (var i = 0; i < 2; i++)
        {
            await client.UpdateAsync(
                Service, Uuid, "cmp1",
                tree => configuration.Apply(tree.With(Uuid, p => Tree()[Uuid] with { Generation = p.Generation, Traits = p.Traits.Add("COMPUTE_NODE") }), Ours),
                Never);
        }

        var provider = Cloud.Placement.Providers[Uuid];
        Assert.Equal(["COMPUTE_NODE", "CUSTOM_RACK_7"], provider.Traits);
        Assert.Equal(["CUSTOM_LICENCE", "VCPU"], provider.Inventories.Keys.Order());
        Assert.Equal((22, 2, 1.5), ((int)provider.Inventories["CUSTOM_LICENCE"]["total"]!, (int)provider.Inventories["CUSTOM_LICENCE"]["reserved"]!, (double)provider.Inventories["CUSTOM_LICENCE"]["allocation_ratio"]!));
        Assert.Single(Cloud.Placement.Requests, r => r.Method == "PUT" && r.Path.EndsWith("/inventories", StringComparison.Ordinal));
    }

    [Fact]
    public void NoDirectoryIsNoConfiguration()
    {
        Assert.Empty(ProviderConfiguration.Load("/nonexistent", logger).Additions);
        Assert.Contains("/nonexistent", logger.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EntryByNameReplacesTheOneForEverybody()
    {
        var tree = Load(Everybody, Provider("{name: cmp1}")).Apply(Tree(), Ours);
        Assert.Equal(["COMPUTE_NODE", "CUSTOM_A"], tree[Uuid].Traits);
        Assert.DoesNotContain("CUSTOM_LICENCE", tree[Uuid].Inventories.Keys);
    }

    [Fact]
    public void SameProviderByNameAndUuidIsRefused()
    {
        var configuration = Load(Provider("{name: cmp1}"), Provider($"{{uuid: {Uuid}}}"));
        var failure = Assert.Throws<ProviderConfigException>(() => configuration.Apply(Tree(), Ours));
        Assert.Contains("1.yaml conflicts with 0.yaml", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void InventoryThatWeReportOurselvesIsRefused()
    {
        var configuration = Load(Provider("{name: cmp1}", "inventories: {additional: [{CUSTOM_OURS: {total: 1}}]}"));
        Assert.Contains("CUSTOM_OURS", Assert.Throws<ProviderConfigException>(() => configuration.Apply(Tree(), Ours)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ProviderThatDoesNotExistIsWarnedAboutOnce()
    {
        var configuration = Load(Provider("{name: elsewhere}"));
        configuration.Apply(Tree(), Ours);
        configuration.Apply(Tree(), Ours);
        Assert.Single(logger.Collector.GetSnapshot(), r => r.Message.Contains("elsewhere", StringComparison.Ordinal));
    }

    [Fact]
    public void EntryWithoutAdditionsIsIgnoredWithAWarning()
    {
        Assert.Empty(Load(Provider("{name: cmp1}", "other: 1")).Additions);
        Assert.Contains("neither additional inventories nor traits", logger.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NewerMinorVersionIsReadWithAWarning()
    {
        Assert.Single(Load(Provider("{name: cmp1}").Replace("'1.0'", "'1.3'", StringComparison.Ordinal)).Additions);
        Assert.Contains("1.3", logger.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("providers: []", "schema version cannot be told")]
    [InlineData("meta: {schema_version: 1.0}", "quoted")]
    [InlineData("meta: {schema_version: '2.0'}", "schema version 2.0 is not supported")]
    [InlineData("", "schema version cannot be told")]
    [InlineData("meta: {schema_version: '1.0'\nproviders", "not valid YAML")]
    [InlineData("meta:\n  schema_version: '1.0'\n providers: [", "line 3")]
    [InlineData("meta: {schema_version: '1.0'}\nmeta: {}", "line 2")]
    [InlineData("meta: {schema_version: '1.0'}\n[a]: 1", "a name is a list")]
    [InlineData("meta: {schema_version: '1.0'}\nx: &a [*a]", "not valid YAML")]
    [InlineData("meta: {schema_version: '1.0'}\n---\nmeta: {}", "2 YAML documents")]
    [InlineData("meta: {schema_version: '1.0'}\n__source_file: x", "__source_file")]
    [InlineData("meta: {schema_version: '1.0'}\nproviders: {}", "providers: must be a list")]
    [InlineData("meta: {schema_version: '1.0'}\nproviders: [{traits: {}}]", "providers[0].identification: must be a mapping with exactly one of uuid and name")]
    [InlineData("meta: {schema_version: '1.0'}\nproviders: [{identification: {uuid: x, name: y}}]", "exactly one")]
    public void UnusableFileIsRefused(string file, string sentence)
    {
        var message = Refusal(file);
        Assert.Contains(sentence, message, StringComparison.Ordinal);
        Assert.Contains("0.yaml", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{uuid: no-uuid}", "traits: {additional: [CUSTOM_A]}", "providers[0].identification.uuid: 'no-uuid'")]
    [InlineData("{name: ''}", "traits: {additional: [CUSTOM_A]}", "1 to 200 characters")]
    [InlineData("{host: a}", "traits: {additional: [CUSTOM_A]}", "'host' is not known")]
    [InlineData("{name: 5}", "traits: {additional: [CUSTOM_A]}", "identification.name")]
    [InlineData("{name: a}", "traits: {additional: [CUSTOM_a]}", "traits.additional[0]: 'CUSTOM_a' is not a trait name")]
    [InlineData("{name: a}", "traits: {additional: [HW_CPU_X86_VMX]}", "not a custom trait")]
    [InlineData("{name: a}", "traits: {additional: CUSTOM_A}", "traits.additional: must be a list")]
    [InlineData("{name: a}", "inventories: {additional: [{VCPU: {total: 1}}]}", "not a custom resource class")]
    [InlineData("{name: a}", "inventories: {additional: [{CUSTOM_A: {reserved: 1}}]}", "inventories.additional[0].CUSTOM_A: total is missing")]
    [InlineData("{name: a}", "inventories: {additional: [{CUSTOM_A: {total: many}}]}", "total: must be a whole number, not 'many'")]
    [InlineData("{name: a}", "inventories: {additional: [{CUSTOM_A: {total: '7'}}]}", "total: must be a whole number")]
    [InlineData("{name: a}", "inventories: {additional: [{CUSTOM_A: {total: 1, allocation_ratio: high}}]}", "allocation_ratio: must be a number")]
    [InlineData("{name: a}", "inventories: {additional: [{CUSTOM_A: {total: 1, size: 2}}]}", "size: is not known")]
    [InlineData("{name: a}", "inventories: {additional: [{custom-a: {total: 1}}]}", "is not a resource class name")]
    public void FaultIsNamedWithItsPlace(string identification, string rest, string sentence) =>
        Assert.Contains(sentence, Refusal(Provider(identification, rest)), StringComparison.Ordinal);

    [Fact]
    public void AllFaultsOfAFileAreReportedAtOnce()
    {
        var message = Refusal(Provider("{uuid: x}", "traits: {additional: [bad, CUSTOM_OK, HW_X]}"));
        Assert.Equal(3, message.Split('\n').Length - 1);
    }

    [Fact]
    public void ProviderDefinedTwiceIsRefusedNamingBothFiles()
    {
        var message = Refusal(Provider("{name: a}"), Provider("{name: a}"));
        Assert.Contains("0.yaml", message, StringComparison.Ordinal);
        Assert.Contains("1.yaml", message, StringComparison.Ordinal);
    }
}
