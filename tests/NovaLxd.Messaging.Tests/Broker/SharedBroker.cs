using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.Messaging.Tests.Broker;

/// <summary>One broker for all tests that leave it running; each test has an exchange and topics of its own on it.</summary>
public sealed class SharedBroker : IAsyncLifetime
{
    public RabbitMqFixture RabbitMq { get; private set; } = null!;

    public async Task InitializeAsync() => RabbitMq = await RabbitMqFixture.StartAsync();

    public async Task DisposeAsync() => await RabbitMq.DisposeAsync();
}

[CollectionDefinition(Name)]
public sealed class BrokerCollection : ICollectionFixture<SharedBroker>
{
    public const string Name = "broker";
}
