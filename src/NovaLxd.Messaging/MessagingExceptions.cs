namespace NovaLxd.Messaging;

/// <summary>No reply came in time, or the call could not even be sent in time; the message says which (oslo's <c>MessagingTimeout</c>).</summary>
public sealed class RpcTimeoutException : TimeoutException
{
    public RpcTimeoutException() { }

    public RpcTimeoutException(string message) : base(message) { }

    public RpcTimeoutException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>A message could not be handed to the broker within the retries allowed (oslo's <c>MessageDeliveryFailure</c>).</summary>
public class MessageDeliveryException : Exception
{
    public MessageDeliveryException() { }

    public MessageDeliveryException(string message) : base(message) { }

    public MessageDeliveryException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>
/// RabbitMQ refused a declaration that differs from what exists (406 PRECONDITION_FAILED). Waiting does not help: the settings of
/// <c>[oslo_messaging_rabbit]</c> must be made equal to those of the other services, or the old queue or exchange be deleted.
/// </summary>
public sealed class DeclarationRefusedException : MessageDeliveryException
{
    public DeclarationRefusedException() { }

    public DeclarationRefusedException(string message) : base(message) { }

    public DeclarationRefusedException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>The broker returned a mandatory message: no queue is bound for it.</summary>
internal sealed class UndeliverableException : Exception
{
    public UndeliverableException() { }

    public UndeliverableException(string message) : base(message) { }

    public UndeliverableException(string message, Exception innerException) : base(message, innerException) { }
}
