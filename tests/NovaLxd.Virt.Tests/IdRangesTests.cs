using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Tests;

public sealed class IdRangesTests : IDisposable
{
    private readonly string _subuid = Path.GetTempFileName();

    public void Dispose() => File.Delete(_subuid);

    [Fact]
    public void RangesAreDisjointAndThoseGivenBackAreUsedAgain()
    {
        var ranges = NewRanges(1_000_000, 4 * 65536);
        var (a, b) = (ranges.Allocate(), ranges.Allocate());
        Assert.Equal((new IdMap(1_000_000, 65536), new IdMap(1_065_536, 65536)), (a, b));
        ranges.Release(a);
        Assert.Equal(a, ranges.Allocate());
    }

    [Theory]
    [InlineData(3 * 65536, 3)]
    [InlineData((3 * 65536) - 1, 2)]
    [InlineData(65535, 0)]
    public void OnlyWholeRangesCount(uint size, int count)
    {
        var ranges = NewRanges(100_000, size);
        for (var i = 0; i < count; i++)
        {
            ranges.Allocate();
        }

        var failure = Assert.Throws<OutOfSpaceException>(() => ranges.Allocate());
        Assert.Contains("[lxd]", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheEndOfAllIdsIsTheEnd()
    {
        var ranges = NewRanges(uint.MaxValue - 65536 - 100, uint.MaxValue);
        ranges.Allocate();
        Assert.Throws<OutOfSpaceException>(() => ranges.Allocate());
    }

    [Fact]
    public void ARangeOfAnEarlierConfigurationIsNotOverlapped()
    {
        var ranges = NewRanges(1_000_000, 4 * 65536);
        ranges.Reserve(new IdMap(1_000_000 + 100, 65536));
        Assert.Equal(1_000_000u + (2 * 65536), ranges.Allocate().HostBase);
    }

    [Fact]
    public void IdsOfOtherUsersAreLeftAloneAndRootsOwnAreNot()
    {
        File.WriteAllText(_subuid, "root:1000000:1000000000\nalice:1000001:10\nbob:nonsense:5\n# comment\n");
        Assert.Equal(1_065_536u, NewRanges(1_000_000, 4 * 65536).Allocate().HostBase);
    }

    [Fact]
    public void AMissingFileOfOtherUsersIsAnEmptyOne() => Assert.Equal(5u, new IdRanges(5, 65536, ["/no/such/file"]).Allocate().HostBase);

    private IdRanges NewRanges(uint first, uint size) => new(first, size, [_subuid]);
}
