using Newtonsoft.Json.Linq;

namespace NovaLxd.Outcomes;

/// <summary>
/// How an operation can end other than well, one type for each thing a caller does differently. The message is for the user. Which Python class
/// stands for it on the wire only <see cref="FaultTranslation"/> knows.
/// </summary>
internal abstract class OutcomeException(string message, int code = 500, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>HTTP-like code, kept in the instance's fault (nova.exception, attribute code).</summary>
    internal int Code { get; } = code;

    /// <summary>Further named values that go along (Nova's kwargs), beside <c>code</c>.</summary>
    internal virtual JObject Details => [];
}
