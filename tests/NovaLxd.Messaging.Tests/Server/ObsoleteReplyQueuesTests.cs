using Microsoft.Extensions.Time.Testing;
using NovaLxd.Messaging.Server;

namespace NovaLxd.Messaging.Tests.Server;

public sealed class ObsoleteReplyQueuesTests
{
    [Fact]
    public void ForgetsAfterAMinute()
    {
        var time = new FakeTimeProvider();
        var queues = new ObsoleteReplyQueues(time);
        queues.Add("reply_a");

        time.Advance(TimeSpan.FromSeconds(59));
        Assert.True(queues.Contains("reply_a"));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(queues.Contains("reply_a"));
    }

    [Fact]
    public void KeepsTwoHundred()
    {
        var queues = new ObsoleteReplyQueues(new FakeTimeProvider());
        foreach (var i in Enumerable.Range(0, 201))
        {
            queues.Add($"q{i}");
        }

        Assert.False(queues.Contains("q0"));
        Assert.True(queues.Contains("q1"));
        Assert.True(queues.Contains("q200"));
    }
}
