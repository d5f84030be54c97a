namespace NovaLxd.Messaging.Tests;

public sealed class TransportUrlTests
{
    [Fact]
    public void ReadsSeveralHostsWithEscapedCredentialsAndIPv6()
    {
        var url = TransportUrl.Parse("rabbit://us%40er:p%3Aa%2Fs%25s@host1:5673,bob@realm:pw@[fd00::1]:5674,host3/nova");

        Assert.Equal("nova", url.VirtualHost);
        Assert.Equal(
            [
                new TransportHost("host1", 5673, "us@er", "p:a/s%s"),
                new TransportHost("fd00::1", 5674, "bob@realm", "pw"),
                new TransportHost("host3", 5672, "", ""),
            ],
            url.Hosts);
    }

    [Theory]
    [InlineData("rabbit://h:5672", "/")]
    [InlineData("rabbit://h:5672/", "/")]
    [InlineData("rabbit://h:5672//", "/")]
    [InlineData("rabbit://h:5672/%2F", "/")]
    [InlineData("rabbit://h/nova", "nova")]
    [InlineData("rabbit://h/%2Fnova%20cell", "/nova cell")]
    public void VirtualHostIsWhatFollowsTheFirstSlash(string text, string virtualHost) =>
        Assert.Equal(virtualHost, TransportUrl.Parse(text).VirtualHost);

    [Theory]
    [InlineData("")]
    [InlineData("rabbit://")]
    public void NoHostMeansGuestAtLocalhost(string text) =>
        Assert.Equal([new TransportHost("localhost", 5672, "guest", "guest")], TransportUrl.Parse(text).Hosts);

    [Fact]
    public void QueryIsKeptAndRepeatedKeysAreJoined()
    {
        var query = TransportUrl.Parse("rabbit://h/?ssl=1&a=x&a=y%26z&blank=").Query;

        Assert.Equal(new Dictionary<string, string> { ["ssl"] = "1", ["a"] = "x,y&z" }, query);
    }

    [Theory]
    [InlineData("h:5672", "scheme")]
    [InlineData("kafka://h", "kafka")]
    [InlineData("rabbit://[::1:5672/", "bracket")]
    [InlineData("rabbit://user:secret/word@h:5672/", "percent-encoded")]
    [InlineData("rabbit://h:70000/", "65535")]
    public void SaysWhatIsWrongWithoutThePassword(string text, string part)
    {
        var error = Assert.Throws<TransportUrlException>(() => TransportUrl.Parse(text));

        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NeverShowsThePassword()
    {
        var url = TransportUrl.Parse("rabbit://u:topsecret@h:1/v");

        Assert.DoesNotContain("topsecret", $"{url} {url.Hosts[0]}", StringComparison.Ordinal);
    }
}
