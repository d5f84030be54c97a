using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;

namespace NovaLxd.Conductor;

/// <summary>
/// Messages to other services of Nova. A failure of the other side arrives as the outcome it stands for
/// (<see cref="Outcomes.OutcomeException"/>) or, when it stands for none, as the messaging library's remote failure; silence as its time-out.
/// </summary>
internal interface IRpcTransport
{
    /// <param name="context">Travels along.</param>
    /// <param name="topic">"conductor", "compute", "scheduler".</param>
    /// <param name="server">A host, or null: whichever worker is free.</param>
    /// <param name="namespace">Null, or "compute_task".</param>
    /// <param name="version">Of the method, "3.0".</param>
    /// <param name="method">The method's name.</param>
    /// <param name="args">Its arguments by name.</param>
    /// <param name="timeout">How long to wait; null: <c>rpc_response_timeout</c>.</param>
    /// <param name="cancellationToken">The caller gives up.</param>
    /// <returns>The result, JSON null as null.</returns>
    Task<JToken?> CallAsync(
        RequestContext context, string topic, string? server, string? @namespace, string version, string method, JObject args,
        TimeSpan? timeout, CancellationToken cancellationToken);

    Task CastAsync(
        RequestContext context, string topic, string? server, string? @namespace, string version, string method, JObject args,
        CancellationToken cancellationToken);

    Task FanoutAsync(
        RequestContext context, string topic, string? @namespace, string version, string method, JObject args, CancellationToken cancellationToken);
}
