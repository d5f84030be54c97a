using NovaLxd.TestCloud.RabbitMq;

// One after the other: they count what is on the host, and would otherwise count each other's guests.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace NovaLxd.FunctionalTests.Site;

/// <summary>One RabbitMQ for all tests that do not hurt it; every test has a host name of its own on it.</summary>
public sealed class Broker : IAsyncLifetime
{
    public RabbitMqFixture Rabbit { get; private set; } = null!;

    public async Task InitializeAsync() => Rabbit = await RabbitMqFixture.StartAsync();

    public Task DisposeAsync() => Rabbit.DisposeAsync().AsTask();
}

[CollectionDefinition("site")]
public sealed class SiteCollection : ICollectionFixture<Broker>;
