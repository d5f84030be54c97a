using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Configuration;
using NovaLxd.Tests.Fakes;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Transfer;

/// <summary>Both ends of the channel over the loopback, with real certificates; containers are fakes.</summary>
public abstract class TransferChannelFixture : IAsyncLifetime
{
    private protected const string Source = "host-a";
    private protected const string Target = "host-b";

    private protected static readonly CancellationToken None = CancellationToken.None;

    private protected readonly string _folder = Path.Combine(Path.GetTempPath(), $"nlc-{Guid.NewGuid():N}");
    private protected readonly Guid _id = Guid.NewGuid();
    private protected readonly FakeTransfers _transfers = new();
    private protected readonly FakeMoves _moves = new();
    private protected readonly FakeDriver _driver = new() { Images = { "sha512:abc" } };
    private protected readonly ServiceProvider _parts = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private protected readonly int _port = FreePort();
    private protected readonly List<IAsyncDisposable> _open = [];
    private protected TestAuthority _authority = null!;
    private protected FakeDeparture _departure = null!;

    public Task InitializeAsync()
    {
        _authority = new TestAuthority(_folder, "cloud");
        _departure = new FakeDeparture(_id, 7);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        foreach (var item in Enumerable.Reverse(_open))
        {
            await item.DisposeAsync();
        }

        await _parts.DisposeAsync();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private protected async Task<TransferReceiver> ServeAsync(
        string host = Target, TestAuthority? authority = null, bool expired = false, int limit = 2, string file = "server")
    {
        var (certificate, key) = (authority ?? _authority).Issue(file, [host], expired);
        var options = new TransferOptions
        {
            TransferCertificate = certificate,
            TransferKey = key,
            TransferCa = _authority.CaFile,
            TransferAddress = "127.0.0.1",
            TransferPort = _port,
            TransferLimit = limit,
        };
        var receiver = Receiver(options);
        var server = Server(options, receiver);
        _open.AddRange([receiver, server]);
        await server.StartAsync(None);
        return receiver;
    }

    private protected TransferReceiver Receiver(TransferOptions options) => new(
        _transfers, _driver, _moves, options, allowPrivileged: false, Metrics(), TimeProvider.System, NullLogger<TransferReceiver>.Instance);

    private protected static TransferServer Server(TransferOptions options, TransferReceiver receiver) =>
        new(receiver, new TransferCertificates(options), options, new ServiceOptions { MyIp = "127.0.0.1" }, TimeProvider.System, NullLoggerFactory.Instance);

    private protected TransferMetrics Metrics() => new(_parts.GetRequiredService<IMeterFactory>());

    private protected TransferOptions ClientOptions()
    {
        var (certificate, key) = _authority.Issue("client", [Source]);
        return new TransferOptions { TransferCertificate = certificate, TransferKey = key, TransferCa = _authority.CaFile, TransferPort = _port };
    }

    private protected async Task SendAsync(string address = "127.0.0.1", TimeSpan? retry = null, TimeSpan? request = null, TransferOptions? options = null)
    {
        options = (options ?? ClientOptions()) with
        {
            TransferCa = _authority.CaFile,
            TransferPort = _port,
            TransferRetryTime = retry ?? TimeSpan.FromMinutes(5),
        };
        using var sender = new TransferSender(options, new TransferCertificates(options), Metrics(), TimeProvider.System, NullLogger<TransferSender>.Instance)
        {
            FirstPause = TimeSpan.FromMilliseconds(50),
            RequestLimit = request ?? TransferProtocol.RequestLimit,
        };
        using var slot = await sender.EnterAsync(None);
        await sender.SendAsync(new TransferTarget(Target, address), _departure, None);
    }

    private protected HttpClient Client()
    {
        var handler = new SocketsHttpHandler { SslOptions = new TransferCertificates(ClientOptions()).ForClient(Target, _ => { }) };
        return new HttpClient(handler);
    }

    private protected Uri Url(string rest, Guid? id = null) => new($"https://127.0.0.1:{_port}/v1/arrivals/{id ?? _id}{rest}");

    private protected RoughLink Link(int breaks, long after, bool stalls = false) =>
        new(new IPEndPoint(IPAddress.Parse("127.0.0.2"), _port), new IPEndPoint(IPAddress.Loopback, _port)) { Breaks = breaks, After = after, Stalls = stalls };

    private protected static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
