using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;
using NovaLxd.TestCloud.RabbitMq;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace NovaLxd.Messaging.Tests.Broker;

/// <summary>Speaks AMQP by hand, for messages a well-behaved client would not send and to see what we send.</summary>
internal sealed class RawBus : IAsyncDisposable
{
    private readonly IConnection _connection;
    private readonly IChannel _channel;

    private RawBus(IConnection connection, IChannel channel) => (_connection, _channel) = (connection, channel);

    public static async Task<RawBus> OpenAsync(RabbitMqFixture broker)
    {
        var connection = await broker.ConnectAsync();
        return new RawBus(connection, await connection.CreateChannelAsync());
    }

    public IChannel Channel => _channel;

    public async Task PublishAsync(string exchange, string routingKey, byte[] body) =>
        await _channel.BasicPublishAsync(exchange, routingKey, mandatory: false, new BasicProperties(), body);

    /// <summary>A request with every key a caller sets.</summary>
    public static JObject Request(string method, string? replyQueue = null, object? timeout = null, string version = "6.0")
    {
        var call = replyQueue is null ? ((string, string, TimeSpan?)?)null : (RequestPayload.NewId(), replyQueue, null);
        var payload = RequestPayload.Write(new RpcTarget("t", Version: version), TestBus.Context, method, [], call);
        if (timeout is not null)
        {
            payload["_timeout"] = JToken.FromObject(timeout);
        }

        return payload;
    }

    /// <summary>Declares a queue, binds it when an exchange is given, and collects what arrives.</summary>
    public async Task<System.Collections.Concurrent.ConcurrentQueue<(JObject Payload, IReadOnlyBasicProperties Properties)>> CollectAsync(
        string queue, string exchange = "", string routingKey = "")
    {
        await _channel.QueueDeclareAsync(queue, durable: false, exclusive: true, autoDelete: true);
        if (exchange.Length > 0)
        {
            await _channel.QueueBindAsync(queue, exchange, routingKey);
        }

        var messages = new System.Collections.Concurrent.ConcurrentQueue<(JObject, IReadOnlyBasicProperties)>();
        var consumer = new AsyncEventingBasicConsumer(_channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            messages.Enqueue((OsloEnvelope.Open(delivery.Body.Span), new BasicProperties(delivery.BasicProperties)));
            return Task.CompletedTask;
        };
        await _channel.BasicConsumeAsync(queue, autoAck: true, consumer);
        return messages;
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
