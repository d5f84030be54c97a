using NovaLxd.Messaging.Amqp;

namespace NovaLxd.Messaging.Tests;

public sealed class RabbitOptionsTests
{
    [Fact]
    public void QueryOfTheUrlOverridesTheSection()
    {
        var address = BrokerAddress.Create(
            "rabbit://h/?rabbit_quorum_queue=True&heartbeat_timeout_threshold=5&kombu_reconnect_delay=0.5&rpc_conn_pool_size=7", new RabbitOptions());

        Assert.True(address.Options.RabbitQuorumQueue);
        Assert.Equal(5, address.Options.HeartbeatTimeoutThreshold);
        Assert.Equal(0.5, address.Options.KombuReconnectDelay);
    }

    [Theory]
    [InlineData("no_such_option", "1")]
    [InlineData("ssl", "maybe")]
    [InlineData("heartbeat_rate", "two")]
    public void UnknownOptionsAndWrongValuesAreRefusedByName(string name, string value) =>
        Assert.Contains(name, Assert.Throws<FormatException>(() => new RabbitOptions().With(name, value)).Message, StringComparison.Ordinal);

    [Fact]
    public void EveryPropertyCanBeSetByItsOsloName()
    {
        foreach (var property in typeof(RabbitOptions).GetProperties().Where(property => property.CanWrite))
        {
            var name = string.Concat(property.Name.Select((c, i) => (char.IsUpper(c) && i > 0 ? "_" : "") + char.ToLowerInvariant(c)));
            var value = property.PropertyType == typeof(bool) ? "true" : "3";

            var changed = new RabbitOptions().With(name, value);

            Assert.Equal(value, $"{property.GetValue(changed)}", ignoreCase: true);
        }
    }

    [Fact]
    public void SpellingOfZedIsUnderstood() =>
        Assert.Equal(9, new RabbitOptions().With("rabbit_quroum_max_memory_bytes", "9").RabbitQuorumMaxMemoryBytes);

    [Fact]
    public void AllContradictionsAreNamedAtOnce()
    {
        var problems = new RabbitOptions
        {
            RabbitQuorumQueue = true,
            RabbitHaQueues = true,
            RabbitStreamFanout = true,
            SslVersion = "TLSv1",
            KombuFailoverStrategy = "random",
        }.Problems();

        Assert.Equal(5, problems.Count);
        Assert.Contains(problems, problem => problem.Contains("rabbit_qos_prefetch_count", StringComparison.Ordinal));
        Assert.Empty(new RabbitOptions().Problems());
    }
}
