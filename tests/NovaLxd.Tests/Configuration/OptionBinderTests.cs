using System.ComponentModel.DataAnnotations;
using NovaLxd.Configuration;

namespace NovaLxd.Tests.Configuration;

public class OptionBinderTests
{
    private static OptionBinder Binder(string text) => new(new OsloConfig(OsloConfigFile.Parse("nova.conf", text.Split('\n'))));

    [Fact]
    public void BindsEveryTypeOfOption()
    {
        var options = Binder("""
            [DEFAULT]
            host = node-1
            port_count = 7
            ratio = 1.5
            maybe_ratio =
            enabled = Yes
            wait_for = 2.5
            names = a, b ,c
            pairs = a:1, b:2
            mode = two-words
            driver = one
            driver = two
            old_name = found
            ssl_ca_file = /ca
            """).Bind<Sample>("DEFAULT");

        Assert.Equal("node-1", options.Host);
        Assert.Equal(7, options.PortCount);
        Assert.Equal(1.5, options.Ratio);
        Assert.Null(options.MaybeRatio);
        Assert.True(options.Enabled);
        Assert.Equal(TimeSpan.FromSeconds(2.5), options.WaitFor);
        Assert.Equal(["a", "b", "c"], options.Names);
        Assert.Equal("2", options.Pairs["b"]);
        Assert.Equal(Mode.TwoWords, options.Mode);
        Assert.Equal(["one", "two"], options.Driver);
        Assert.Equal("found", options.NewName);
        Assert.Equal("/ca", options.Tls.SslCaFile);
    }

    [Fact]
    public void ReportsAllFaultsAtOnceWithTheirPlaces()
    {
        var binder = Binder("[DEFAULT]\nport_count = many\nenabled = maybe\nratio = 9\nsecret = x\nmode = three");
        binder.Bind<Sample>("DEFAULT");

        Assert.Equal(
        [
            "nova.conf:2: [DEFAULT] port_count = many: expected a whole number",
            "nova.conf:4: [DEFAULT] ratio = 9: The field ratio must be between 0 and 2.",
            "nova.conf:3: [DEFAULT] enabled = maybe: expected true or false",
            "nova.conf:6: [DEFAULT] mode = three: expected one of one, two-words",
            "nova.conf:5: [DEFAULT] secret = ***: expected a whole number",
        ],
            binder.Faults);
        Assert.Throws<ConfigurationException>(binder.ThrowOnFaults);
    }

    [Fact]
    public void DefaultsStandWhenNothingIsSet() => Assert.Equal(new Sample().PortCount, Binder("[DEFAULT]").Bind<Sample>("DEFAULT").PortCount);

    [Theory]
    [InlineData("VifPluggingIsFatal", "vif_plugging_is_fatal")]
    [InlineData("MyIp", "my_ip")]
    [InlineData("SslCaFile", "ssl_ca_file")]
    [InlineData("HTTPRetries", "http_retries")]
    public void NamesAreTheFieldsNames(string property, string option) => Assert.Equal(option, OptionBinder.SnakeCase(property));

    private enum Mode
    {
        One,
        TwoWords,
    }

    private sealed record TlsPart
    {
        public string? SslCaFile { get; init; }
    }

    private sealed record Sample
    {
        public string Host { get; init; } = "";

        public int PortCount { get; init; } = 3;

        [Range(0.0, 2.0)]
        public double Ratio { get; init; }

        public double? MaybeRatio { get; init; } = 4;

        public bool Enabled { get; init; }

        public TimeSpan WaitFor { get; init; }

        public IReadOnlyList<string> Names { get; init; } = [];

        public IReadOnlyDictionary<string, string> Pairs { get; init; } = new Dictionary<string, string>();

        public Mode Mode { get; init; }

        [MultiValued]
        public IReadOnlyList<string> Driver { get; init; } = [];

        [Option(Deprecated = ["old_name"])]
        public string? NewName { get; init; }

        [Option(Secret = true)]
        public int Secret { get; init; }

        public TlsPart Tls { get; init; } = new();
    }
}
