using System.Text;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests.Wire;

public sealed class BodyCompressionTests
{
    [Theory]
    [InlineData("gzip", "application/x-gzip")]
    [InlineData("bz2", "application/x-bz2")]
    public void SurvivesTheRoundTripUnderKombusName(string method, string type)
    {
        var body = Encoding.UTF8.GetBytes(new string('x', 5000));

        var (packed, header) = BodyCompression.Compress(body, method);

        Assert.Equal(type, header);
        Assert.True(packed.Length < 500);
        Assert.Equal(body, BodyCompression.Decompress(packed, header));
    }

    [Theory]
    [InlineData("application/x-gzip")]
    [InlineData("application/x-bz2")]
    [InlineData("application/zstd")]
    public void GarbageAndUnknownTypesAreMalformed(string type) =>
        Assert.Throws<MalformedMessageException>(() => BodyCompression.Decompress("garbage, and enough of it"u8.ToArray(), type));
}
