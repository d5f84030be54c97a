using NovaLxd.Configuration;

namespace NovaLxd.Tests.Configuration;

public class SampleFileTests
{
    private static string SamplePath()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "NovaLxd.sln")))
        {
            folder = folder.Parent ?? throw new InvalidOperationException("The tests run outside the source tree.");
        }

        return Path.Combine(folder.FullName, "etc", "novalxd", "novalxd.conf.sample");
    }

    /// <summary>Written anew by "novalxd config-sample > etc/novalxd/novalxd.conf.sample".</summary>
    [Fact]
    public void TheSampleFileIsWhatTheOptionRecordsSay() => Assert.Equal(SampleFile.Render(OptionSections.All), File.ReadAllText(SamplePath()));

    [Fact]
    public void TheSampleFileIsAValidConfiguration()
    {
        var uncommented = File.ReadAllLines(SamplePath()).Select(l => l.Length > 1 && l[0] == '#' && l[1] != ' ' ? l[1..] : l).ToList();
        var binder = new OptionBinder(new OsloConfig(OsloConfigFile.Parse("sample", uncommented)));
        foreach (var (section, type) in OptionSections.All)
        {
            binder.Bind(type, section);
        }

        Assert.DoesNotContain(binder.Faults, f => !f.Contains(" = : ", StringComparison.Ordinal));
    }
}
