using NovaLxd.Configuration;

namespace NovaLxd.Tests.Configuration;

public class OsloConfigTests
{
    private static OsloConfig Config(string text, Func<string, string?>? environment = null) =>
        new(OsloConfigFile.Parse("test.conf", text.Split('\n')), environment);

    private static string? Value(OsloConfig config, string section, string key) => config.Find(section, key) is [.., var last] ? last.Value : null;

    [Theory]
    [InlineData("a = 1", "1")]
    [InlineData("a=1", "1")]
    [InlineData("a: 1", "1")]
    [InlineData("a = b:c=d", "b:c=d")]
    [InlineData("a: b=c", "b=c")]
    [InlineData("a = \"quoted # not a comment\"", "quoted # not a comment")]
    [InlineData("a = 'single'", "single")]
    [InlineData("a = \"half", "\"half")]
    [InlineData("a = value # kept", "value # kept")]
    [InlineData("a =", "")]
    [InlineData("a = one\n  two\n\tthree", "one\ntwo\nthree")]
    [InlineData("a = 1\n# a = 2\n; a = 3", "1")]
    [InlineData("a = 1\na = 2", "2")]
    public void ReadsAValueAsOsloDoes(string lines, string expected) => Assert.Equal(expected, Value(Config("[DEFAULT]\n" + lines), "DEFAULT", "a"));

    [Theory]
    [InlineData("a = 1", "test.conf:1: an option stands before the first [section]")]
    [InlineData("[x\na = 1", "test.conf:1: a section name stands between [ and ]")]
    [InlineData("[x]\nword", "test.conf:2: expected \"option = value\"")]
    [InlineData("[x]\n= 1", "test.conf:2: the option has no name")]
    [InlineData("[x]\n\n  more", "test.conf:3: an indented line continues the value above it, and there is none")]
    public void SaysWhereAFileIsWrong(string text, string message) =>
        Assert.Equal(message, Assert.Throws<ConfigurationException>(() => Config(text)).Message);

    [Fact]
    public void KeepsEveryValueOfARepeatedOptionInOrder() =>
        Assert.Equal(["log", "messagingv2"], Config("[n]\ndriver = log\n[other]\nx = 1\n[n]\ndriver = messagingv2").Find("n", "driver").Select(e => e.Value));

    [Theory]
    [InlineData("$b", "two")]
    [InlineData("${b}/x", "two/x")]
    [InlineData("$other.c", "three")]
    [InlineData("${other.c}", "three")]
    [InlineData("$d", "four")]
    [InlineData("$unknown", "$unknown")]
    [InlineData("pa$$word", "pa$word")]
    [InlineData("pa\\$b", "pa$b")]
    [InlineData("$e", "two!")]
    public void ReplacesReferences(string value, string expected) =>
        Assert.Equal(expected, Value(Config($"[s]\na = {value}\nb = two\ne = $b!\n[other]\nc = three\n[DEFAULT]\nd = four"), "s", "a"));

    [Fact]
    public void ReferencesToADefaultWork() => Assert.Equal("/var/lib/nova/x", Value(Config("[DEFAULT]\na = $state_path/x"), "DEFAULT", "a"));

    [Fact]
    public void EnvironmentWinsOverFiles()
    {
        var config = Config("[DEFAULT]\ndebug = false", name => name == "OS_DEFAULT__DEBUG" ? "true" : null);
        Assert.Equal("true", Value(config, "DEFAULT", "debug"));
    }

    [Fact]
    public void SectionNamesMatchInAnyCaseWhenNotExactly()
    {
        Assert.Equal("1", Value(Config("[Neutron]\na = 1"), "neutron", "a"));
        Assert.Equal("2", Value(Config("[Neutron]\na = 1\n[neutron]\na = 2"), "neutron", "a"));
    }
}
