using System.Text;

namespace NovaLxd.Outcomes;

/// <summary>
/// What a failure says to the user (fault, event, API error) and to administrators. Messages of our own exceptions are written for the user; those
/// of the runtime and of libraries may hold addresses or paths, so of them the user sees the kind and the administrator the rest.
/// </summary>
internal static class FaultText
{
    private const int MaxMessageBytes = 255;

    internal static string Message(Exception exception) => exception switch
    {
        InstanceFaultRollbackException { InnerException: { } inner } => Message(inner),
        OperationCanceledException => "Interrupted: the compute service is stopping, or gave up waiting.",
        _ when exception.GetType().Namespace?.StartsWith("NovaLxd.", StringComparison.Ordinal) == true => exception.Message,
        _ => exception.GetType().Name,
    };

    /// <summary>The message as far as the database's column goes: 255 bytes of UTF-8, no half characters.</summary>
    internal static string ShortMessage(Exception exception)
    {
        var message = Message(exception);
        if (Encoding.UTF8.GetByteCount(message) <= MaxMessageBytes)
        {
            return message;
        }

        var bytes = 0;
        var kept = message.EnumerateRunes()
            .TakeWhile(rune => (bytes += rune.Utf8SequenceLength) <= MaxMessageBytes)
            .Sum(rune => rune.Utf16SequenceLength);
        return message[..kept];
    }

    internal static int Code(Exception exception, int? otherwise = null) => exception switch
    {
        OutcomeException outcome => outcome.Code,
        _ => otherwise ?? 500,
    };

    /// <summary>Everything, for administrators.</summary>
    internal static string Details(Exception exception) => exception.ToString();
}
