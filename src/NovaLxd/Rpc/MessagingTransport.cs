using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Outcomes;

namespace NovaLxd.Rpc;

/// <summary>The messaging library's client, its remote failures turned into outcomes.</summary>
internal sealed class MessagingTransport(RpcClient client) : IRpcTransport
{
    public async Task<JToken?> CallAsync(
        RequestContext context, string topic, string? server, string? @namespace, string version, string method, JObject args,
        TimeSpan? timeout, CancellationToken cancellationToken)
    {
        try
        {
            return await client.CallAsync(
                new RpcTarget(topic, server, @namespace, version), context, method, args, timeout, cancellationToken: cancellationToken);
        }
        catch (RemoteFailureException failure)
        {
            throw FaultTranslation.FromRemote(failure);
        }
    }

    public Task CastAsync(
        RequestContext context, string topic, string? server, string? @namespace, string version, string method, JObject args,
        CancellationToken cancellationToken) =>
        client.CastAsync(new RpcTarget(topic, server, @namespace, version), context, method, args, cancellationToken);

    public Task FanoutAsync(
        RequestContext context, string topic, string? @namespace, string version, string method, JObject args, CancellationToken cancellationToken) =>
        client.FanoutAsync(new RpcTarget(topic, null, @namespace, version), context, method, args, cancellationToken);
}
