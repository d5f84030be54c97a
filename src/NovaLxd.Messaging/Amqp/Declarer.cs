using Microsoft.Extensions.Logging;
using NovaLxd.Messaging.Wire;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace NovaLxd.Messaging.Amqp;

/// <summary>
/// Declares exchanges and queues, each attempt on a channel of its own: a refused declaration closes its channel and must not take
/// consumers or unconfirmed messages with it.
/// </summary>
internal sealed partial class Declarer(ILogger logger)
{
    /// <summary>Declares the exchange, and the queue bound to it when there is one. Returns the exchange as it really is.</summary>
    /// <exception cref="DeclarationRefusedException">It exists with other properties.</exception>
    public async Task<ExchangeDeclaration> DeclareAsync(
        IConnection connection, ExchangeDeclaration exchange, QueueDeclaration? queue, string routingKey, CancellationToken cancellationToken)
    {
        try
        {
            await AttemptAsync(connection, exchange, queue, routingKey, cancellationToken);
            return exchange;
        }
        catch (OperationInterruptedException e) when (DurableDiffers(e) && (exchange.Durable || queue?.Durable == true))
        {
            // oslo.messaging since 2023.1: a control exchange shared with services that are not durable is used as it is.
            LogNotDurable(exchange.Name, queue?.Name, e.Describe());
            return await AttemptOrRefuseAsync(
                connection, exchange with { Durable = false }, queue is null ? null : queue with { Durable = false }, routingKey, cancellationToken);
        }
        catch (OperationInterruptedException e) when (e.ReplyCode() == BrokerFaults.NotFound && queue is not null)
        {
            // A transient queue whose node is down cannot be declared elsewhere until it is deleted (launchpad bug 2068630).
            LogStuck(queue.Name, e.Describe());
            await DeleteQueueAsync(connection, queue.Name, cancellationToken);
            return await AttemptOrRefuseAsync(connection, exchange, queue, routingKey, cancellationToken);
        }
        catch (OperationInterruptedException e) when (e.ReplyCode() == BrokerFaults.PreconditionFailed)
        {
            throw Refused(exchange, queue, e);
        }
    }

    /// <summary>Deletes a queue if it can be; failures are logged, since the broker expires such queues by itself.</summary>
    public async Task DeleteQueueAsync(IConnection connection, string queue, CancellationToken cancellationToken)
    {
        try
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
            await channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, cancellationToken: cancellationToken);
        }
        catch (Exception e) when (e.IsBrokerFault(cancellationToken))
        {
            LogDeleteFailed(queue, e.Describe());
        }
    }

    private async Task<ExchangeDeclaration> AttemptOrRefuseAsync(
        IConnection connection, ExchangeDeclaration exchange, QueueDeclaration? queue, string routingKey, CancellationToken cancellationToken)
    {
        try
        {
            await AttemptAsync(connection, exchange, queue, routingKey, cancellationToken);
            return exchange;
        }
        catch (OperationInterruptedException e) when (e.ReplyCode() == BrokerFaults.PreconditionFailed)
        {
            throw Refused(exchange, queue, e);
        }
    }

    private static async Task AttemptAsync(
        IConnection connection, ExchangeDeclaration exchange, QueueDeclaration? queue, string routingKey, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        if (exchange.Name.Length > 0)
        {
            await channel.ExchangeDeclareAsync(
                exchange.Name, exchange.Type, exchange.Durable, exchange.AutoDelete, cancellationToken: cancellationToken);
        }

        if (queue is null)
        {
            return;
        }

        await channel.QueueDeclareAsync(
            queue.Name, queue.Durable, exclusive: false, queue.AutoDelete, queue.Arguments.ToDictionary(), cancellationToken: cancellationToken);
        if (exchange.Name.Length > 0)
        {
            await channel.QueueBindAsync(queue.Name, exchange.Name, routingKey, cancellationToken: cancellationToken);
        }
    }

    private static bool DurableDiffers(OperationInterruptedException e) =>
        e.ReplyCode() == BrokerFaults.PreconditionFailed
        && e.ShutdownReason?.ReplyText?.Contains("inequivalent arg 'durable'", StringComparison.Ordinal) == true;

    private static DeclarationRefusedException Refused(ExchangeDeclaration exchange, QueueDeclaration? queue, OperationInterruptedException e)
    {
        var wanted = queue is null
            ? $"exchange '{exchange.Name}' ({exchange.Type}, durable={exchange.Durable}, auto_delete={exchange.AutoDelete})"
            : $"queue '{queue.Name}' (durable={queue.Durable}, auto_delete={queue.AutoDelete}, "
              + $"arguments={{{string.Join(", ", queue.Arguments.Select(pair => $"{pair.Key}={pair.Value}"))}}}) on exchange '{exchange.Name}' "
              + $"({exchange.Type}, durable={exchange.Durable}, auto_delete={exchange.AutoDelete})";
        return new DeclarationRefusedException(
            $"RabbitMQ refuses {wanted}: {e.Describe()}. Make amqp_durable_queues, amqp_auto_delete, rabbit_quorum_queue, "
            + "rabbit_transient_quorum_queue and rabbit_transient_queues_ttl in [oslo_messaging_rabbit] equal to those of the other services "
            + "of this cell, or delete what is left from former settings", e);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Exchange {Exchange} or queue {Queue} exists and is not durable: {Reason}. Using it so")]
    private partial void LogNotDurable(string exchange, string? queue, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Queue {Queue} is stuck on a node that is down: {Reason}. Deleting it to declare it again")]
    private partial void LogStuck(string queue, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Queue {Queue} was not deleted: {Reason}")]
    private partial void LogDeleteFailed(string queue, string reason);
}
