using System.Text;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Tests.Engine;

public sealed class ConsoleRingTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"nlt-ring-{Guid.NewGuid():N}", "console.log");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(10)]
    [InlineData(23)]
    public void KeepsTheNewestBytesHoweverTheyCome(int chunk)
    {
        var stream = Encoding.ASCII.GetBytes("abcdefghijklmnopqrstuvwxyz0123456789");
        using (var ring = new ConsoleRing(_path, 10))
        {
            foreach (var part in stream.Chunk(chunk))
            {
                ring.Append(part);
            }
        }

        Assert.Equal("0123456789", Read(100));
        Assert.Equal("789", Read(3));
        Assert.Equal("", Read(0));
    }

    [Fact]
    public void GoesOnWhereAnEarlierWriterEnded()
    {
        Write(10, "abcdef");
        Write(10, "ghij");
        Assert.Equal("abcdefghij", Read(100));
        Write(10, "kl");
        Assert.Equal("cdefghijkl", Read(100));
        Assert.Equal(26, new FileInfo(_path).Length);
    }

    [Fact]
    public void AnotherSizeBeginsAnew()
    {
        Write(10, "abc");
        Write(20, "def");
        Assert.Equal("def", Read(100));
    }

    [Fact]
    public void WhatIsNotThereIsEmptyAndWhatIsNoRingIsSaidSo()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        Assert.Equal("", Read(100));
        File.WriteAllText(_path, "something else, and longer than a header");
        Assert.Throws<InvalidDataException>(() => Read(100));
    }

    /// <summary>As a reader may find it while the writer makes it: first without a size, then without a header.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(26)]
    public void WhatIsJustBeingMadeIsEmptyAndWrittenFromItsBeginning(int size)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        File.WriteAllBytes(_path, new byte[size]);
        Assert.Equal("", Read(100));
        Write(10, "abc");
        Assert.Equal("abc", Read(100));
    }

    private void Write(int capacity, string text)
    {
        using var ring = new ConsoleRing(_path, capacity);
        ring.Append(Encoding.ASCII.GetBytes(text));
    }

    private string Read(int maxBytes) => Encoding.ASCII.GetString(ConsoleRing.ReadTail(_path, maxBytes));
}
