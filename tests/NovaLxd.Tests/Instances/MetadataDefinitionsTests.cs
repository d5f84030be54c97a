using Newtonsoft.Json.Linq;
using NovaLxd.Instances;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Tests.Instances;

/// <summary>What Horizon offers for a flavor (etc/glance/metadefs) is what the service reads.</summary>
public class MetadataDefinitionsTests
{
    public static TheoryData<string> Keys()
    {
        var keys = new TheoryData<string>();
        foreach (var property in Definitions().SelectMany(o => ((JObject)o["properties"]!).Properties()))
        {
            if (!property.Name.StartsWith("trait:", StringComparison.Ordinal))
            {
                keys.Add(property.Name);
            }
        }

        return keys;
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void AnExtraSpecOfTheDefinitionsIsRead(string key)
    {
        var flavor = NovaObject.Create<Flavor>();
        flavor.Name = "m1.test";
        flavor.Vcpus = 1;
        flavor.MemoryMb = 64;
        flavor.Swap = 0;
        // Peaks and bursts are read beside an average only.
        flavor.Set("extra_specs", new JObject { ["quota:vif_inbound_average"] = "1", ["quota:vif_outbound_average"] = "1" });
        flavor.ExtraSpecs[key] = "no such value";

        var fault = Assert.Throws<BuildAbortException>(() =>
        {
            FlavorLimits.Limits(flavor, 0, null);
            FlavorLimits.PortRates(flavor);
            FlavorLimits.Security(flavor, allowPrivileged: true);
        });
        Assert.Contains(key, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryPropertyExplainsItself() => Assert.All(
        Definitions().SelectMany(o => ((JObject)o["properties"]!).Properties()),
        p => Assert.True(((string?)p.Value["title"])?.Length > 0 && ((string?)p.Value["description"])?.Length > 0, p.Name));

    private static IEnumerable<JToken> Definitions()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "NovaLxd.sln")))
        {
            folder = folder.Parent!;
        }

        return JObject.Parse(File.ReadAllText(Path.Combine(folder.FullName, "etc", "glance", "metadefs", "novalxd-flavor.json")))["objects"]!;
    }
}
