using System.Reflection;
using NovaLxd.Configuration;
using NovaLxd.OpenStack;

namespace NovaLxd.Tests.Configuration;

public class ClientSectionsTests
{
    /// <summary>Older names that are still read and that the sample does not teach.</summary>
    private static readonly string[] OlderNames = ["user_name", "tenant_id", "tenant_name", "auth_plugin"];

    [Fact]
    public void EveryOptionThatTheOpenStackLibraryReadsIsInTheSample()
    {
        var read = new HashSet<(string Section, string Option)>();
        foreach (var type in new[] { "password", "v3applicationcredential" })
        {
            OpenStackOptions.Read(
                (section, option) =>
                {
                    read.Add((section, option));
                    return option switch { "auth_type" => type, "auth_url" => "http://127.0.0.1:5000", _ => null };
                },
                []);
        }

        var known = OptionSections.All.SelectMany(s => OptionBinder.OptionsOf(s.Options).Select(o => (s.Section, o.Name))).ToHashSet();
        Assert.NotEmpty(read);
        Assert.Empty(read.Where(r => !OlderNames.Contains(r.Option)).Except(known).OrderBy(r => r));
    }

    [Fact]
    public void NoSectionHasAnOptionTwice()
    {
        var all = OptionSections.All.SelectMany(s => OptionBinder.OptionsOf(s.Options).Select(o => (s.Section, o.Name))).ToList();
        Assert.Equal(all.Distinct().Count(), all.Count);
        Assert.All(OptionSections.All, s => Assert.NotNull(s.Options.GetConstructor(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, [])));
    }
}
