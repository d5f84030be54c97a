using System.Security.Cryptography;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Tests.Storage.Archives;

public sealed class DecompressedStreamTests
{
    public static TheoryData<string> Formats => ["Gzip", "Zstd", "Xz"];

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task GivesTheContentHoweverItIsRead(string format)
    {
        var content = RandomNumberGenerator.GetBytes(700_000);
        Assert.Equal(content, Read(await CompressAsync(format, content), format));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task SeveralStreamsAreOne(string format)
    {
        var (first, second) = (await CompressAsync(format, [1, 2, 3]), await CompressAsync(format, [4, 5]));
        Assert.Equal(new byte[] { 1, 2, 3, 4, 5 }, Read([.. first, .. second], format));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task SomethingAfterTheEndIsRefused(string format)
    {
        var compressed = await CompressAsync(format, new byte[100_000]);
        Assert.Throws<ImageRejectedException>(() => Read([.. compressed, .. "garbage"u8], format));
        Assert.Throws<ImageRejectedException>(() => Read([.. compressed, .. RandomNumberGenerator.GetBytes(300_000)], format));
    }

    [Theory]
    [InlineData("Gzip")]
    [InlineData("Xz")]
    public async Task PaddingOfZerosIsAccepted(string format) =>
        Assert.Equal([1, 2, 3], Read([.. await CompressAsync(format, [1, 2, 3]), .. new byte[512]], format));

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task TruncatedOrChangedDataIsRefused(string format)
    {
        var compressed = await CompressAsync(format, RandomNumberGenerator.GetBytes(50_000));
        Assert.Throws<ImageRejectedException>(() => Read(compressed[..^1], format));
        Assert.Throws<ImageRejectedException>(() => Read(compressed[..(compressed.Length / 2)], format));
        if (format != "Zstd") // Which has a checksum only where asked for; what it lets pass, the image's hash does not.
        {
            compressed[compressed.Length / 2] ^= 0x40;
            Assert.Throws<ImageRejectedException>(() => Read(compressed, format));
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task ABombEndsAtTheLimit(string format)
    {
        var compressed = await CompressAsync(format, new byte[20 << 20]);
        var failure = Assert.Throws<ImageRejectedException>(() => Read(compressed, format, 1 << 20));
        Assert.Contains("more than 1048576 bytes", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFailureOfTheSourceIsNotCalledDamage()
    {
        var source = new RewindableStream(new FailingStream(TarBuilder.Gzip(RandomNumberGenerator.GetBytes(100_000))[..50_000]));
        using var stream = new DecompressedStream(source, ImageContentKind.Gzip, long.MaxValue);
        Assert.Throws<TimeoutException>(() => stream.CopyTo(Stream.Null));
    }

    private static Task<byte[]> CompressAsync(string format, byte[] content) => format switch
    {
        "Gzip" => Task.FromResult(TarBuilder.Gzip(content)),
        "Zstd" => Task.FromResult(TarBuilder.Zstd(content)),
        _ => TarBuilder.XzAsync(content),
    };

    private static byte[] Read(byte[] compressed, string format, long limit = long.MaxValue)
    {
        // Handed out in small pieces, as a network does.
        using var input = new RewindableStream(new Pieces(compressed));
        using var stream = new DecompressedStream(input, Enum.Parse<ImageContentKind>(format), limit);
        var output = new MemoryStream();
        stream.CopyTo(output, 999);
        return output.ToArray();
    }

    private sealed class Pieces(byte[] data) : MemoryStream(data)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, 1300)]);
    }

    private sealed class FailingStream(byte[] data) : MemoryStream(data)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer) is var read and > 0 ? read : throw new TimeoutException("The image service went away.");
    }
}
