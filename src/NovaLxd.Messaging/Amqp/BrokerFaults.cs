using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Threading.Channels;
using RabbitMQ.Client.Exceptions;

namespace NovaLxd.Messaging.Amqp;

/// <summary>Tells what a broker or network does to us from faults of our own.</summary>
internal static class BrokerFaults
{
    public const ushort NotFound = 404;
    public const ushort PreconditionFailed = 406;

    /// <summary>
    /// Whether connecting or publishing again may help. A cancellation counts when it is not the caller's: the client cancels inside.
    /// </summary>
    public static bool IsBrokerFault(this Exception exception, CancellationToken cancellationToken) => exception switch
    {
        OperationCanceledException => !cancellationToken.IsCancellationRequested,
        RabbitMQClientException or IOException or SocketException or TimeoutException or ObjectDisposedException => true,
        ChannelClosedException or AuthenticationException or CryptographicException => true,
        _ => false,
    };

    /// <summary>The AMQP reply code of a closed channel or connection; 0 when there is none.</summary>
    public static ushort ReplyCode(this OperationInterruptedException exception) => exception.ShutdownReason?.ReplyCode ?? 0;

    /// <summary>One line that says what happened, with the cause RabbitMQ.Client hides in the inner exception.</summary>
    public static string Describe(this Exception exception)
    {
        if (exception is OperationInterruptedException { ShutdownReason: { ReplyCode: > 0 } reason })
        {
            return $"{reason.ReplyCode} {reason.ReplyText}";
        }

        var inner = exception;
        while (inner.InnerException is { } next && inner is not SocketException)
        {
            inner = next;
        }

        var text = ReferenceEquals(inner, exception) ? exception.Message : $"{exception.Message} ({inner.Message})";
        return text.ReplaceLineEndings(" ");
    }
}
