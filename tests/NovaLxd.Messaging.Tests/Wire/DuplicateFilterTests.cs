using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests.Wire;

public sealed class DuplicateFilterTests
{
    [Fact]
    public void RemembersTheLastSixteen()
    {
        var filter = new DuplicateFilter();
        Assert.All(Enumerable.Range(0, 17), i => Assert.False(filter.IsDuplicate($"{i}")));

        Assert.True(filter.IsDuplicate("16"));
        Assert.True(filter.IsDuplicate("1"));
        Assert.False(filter.IsDuplicate("0"));
    }

    [Fact]
    public void MessagesWithoutIdAreNeverDuplicates()
    {
        var filter = new DuplicateFilter();

        Assert.False(filter.IsDuplicate(null));
        Assert.False(filter.IsDuplicate(null));
    }
}
