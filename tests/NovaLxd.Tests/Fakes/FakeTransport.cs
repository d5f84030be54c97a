using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.TestCloud.Conductor;

namespace NovaLxd.Tests.Fakes;

/// <summary>Carries requests to a fake conductor, as text both ways, and keeps what was sent.</summary>
internal sealed class FakeTransport(FakeConductor conductor) : IRpcTransport
{
    internal List<(string Topic, string? Namespace, string Version, string Method, JObject Args)> Sent { get; } = [];

    /// <summary>Casts, where a test expects some: topic, host, method, arguments.</summary>
    internal List<(string Topic, string? Server, string Method, JObject Args)>? Casts { get; set; }

    internal JObject LastArgs => Sent[^1].Args;

    public async Task<JToken?> CallAsync(
        RequestContext context, string topic, string? server, string? @namespace, string version, string method, JObject args,
        TimeSpan? timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var copy = WireJson.ParseObject(args.ToString(Formatting.None));
        Sent.Add((topic, @namespace, version, method, copy));
        try
        {
            var result = await conductor.HandleAsync(method, copy, context.ToJson());
            return result is null ? null : WireJson.Parse(result.ToString(Formatting.None));
        }
        catch (ConductorFailureException e)
        {
            throw FaultTranslation.FromRemote(new RemoteFailureException(
                new RemoteFailure(e.Module, e.Class, e.Text, [e.Text], e.Kwargs, [])));
        }
    }

    public Task CastAsync(
        RequestContext context, string topic, string? server, string? @namespace, string version, string method, JObject args,
        CancellationToken cancellationToken)
    {
        (Casts ?? throw new InvalidOperationException($"No cast of {method} was expected."))
            .Add((topic, server, method, WireJson.ParseObject(args.ToString(Formatting.None))));
        return Task.CompletedTask;
    }

    public Task FanoutAsync(
        RequestContext context, string topic, string? @namespace, string version, string method, JObject args, CancellationToken cancellationToken) =>
        throw new InvalidOperationException($"No fanout of {method} was expected.");
}
