using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.Messaging.Tests.Broker;

/// <summary>A transport with names of its own, and what a test starts on it; disposing takes all of it away.</summary>
internal sealed class TestBus : IAsyncDisposable
{
    /// <summary>More than a stalled machine takes, a restart of the broker included: nothing is gained by giving up sooner.</summary>
    public static readonly TimeSpan Long = TimeSpan.FromMinutes(3);

    private readonly List<RpcServer> _servers = [];
    private readonly List<RabbitTransport> _transports = [];

    public TestBus(RabbitMqFixture broker, RabbitOptions? rabbit = null, MessagingOptions? options = null, string? url = null)
    {
        Rabbit = rabbit ?? Quick;
        Options = (options ?? new MessagingOptions()) with
        {
            TransportUrl = url ?? broker.TransportUrl,
            ControlExchange = $"nova-{Id}",
            RpcResponseTimeout = (int)Long.TotalSeconds,
        };
        Transport = NewTransport();
        Client = new RpcClient(Transport);
    }

    /// <summary>Options that reconnect fast.</summary>
    public static RabbitOptions Quick => new() { KombuReconnectDelay = 0.05, RabbitRetryInterval = 1, RabbitRetryBackoff = 0 };

    public static RequestContext Context { get; } = RequestContext.CreateAdmin();

    public string Id { get; } = Guid.NewGuid().ToString("N")[..8];

    public string Topic => $"compute-{Id}";

    public RabbitOptions Rabbit { get; }

    public MessagingOptions Options { get; }

    public ListLogger Log { get; } = new();

    public RabbitTransport Transport { get; }

    public RpcClient Client { get; }

    public RpcTarget Target => new(Topic, Version: "6.0");

    /// <summary>A second process on the same bus, as far as the broker can tell.</summary>
    public RabbitTransport NewTransport(RabbitOptions? rabbit = null, MessagingOptions? options = null)
    {
        var transport = new RabbitTransport(options ?? Options, rabbit ?? Rabbit, Log);
        _transports.Add(transport);
        return transport;
    }

    public async Task<RpcServer> ServeAsync(RpcMethodTable table, string host = "host1", RabbitTransport? transport = null, params string[] topics)
    {
        var server = new RpcServer(transport ?? NewTransport(), topics.Length > 0 ? topics : [Topic], host, table);
        _servers.Add(server);
        using var limit = new CancellationTokenSource(Long);
        await server.StartAsync(limit.Token);
        return server;
    }

    public static RpcMethodTable Table(params (string Method, RpcHandler Handler)[] methods)
    {
        var table = new RpcMethodTable();
        var endpoint = table.AddEndpoint(null, "6.5");
        foreach (var (method, handler) in methods)
        {
            endpoint.Add(method, handler);
        }

        return table;
    }

    public static (string, RpcHandler) Echo { get; } = ("echo", (request, _) => Task.FromResult<JToken?>(request.Arguments));

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        foreach (var transport in _transports)
        {
            await transport.DisposeAsync();
        }
    }
}
