using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Configuration;
using NovaLxd.Tests.Fakes;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Transfer;

/// <summary>Whom the channel trusts, and what it takes from them.</summary>
public sealed class TransferTrustTests : TransferChannelFixture
{
    [Fact]
    public async Task WithoutAMigrationNothingIsTaken()
    {
        _moves.Source = null;
        await ServeAsync();

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("No migration of instance", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_transfers.Arrivals);
    }

    [Fact]
    public async Task AMigrationFromAnotherHostIsNotThisOnes()
    {
        _moves.Source = "host-c";
        await ServeAsync();

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("is being migrated from host-c", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_transfers.Arrivals);
    }

    [Fact]
    public async Task AHostThatIsNotTheDestinationIsNotTrusted()
    {
        await ServeAsync("host-c");

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("is that of host-c, not of host-b", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_transfers.Arrivals);
    }

    [Fact]
    public async Task AWildcardStandsForNoHost()
    {
        await ServeAsync("*");
        await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());
        Assert.Empty(_transfers.Arrivals);
    }

    [Fact]
    public async Task AServerOfAnotherCaIsNotTrusted()
    {
        using var other = new TestAuthority(_folder, "other");
        await ServeAsync(Target, other);

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("cannot be trusted", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AServerWithAnExpiredCertificateIsNotTrusted()
    {
        await ServeAsync(Target, expired: true);

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("valid until", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AClientOfAnotherCaOrWithAnExpiredCertificateGetsNowhere(bool expired)
    {
        using var other = new TestAuthority(_folder, "other");
        await ServeAsync();
        var (certificate, key) = (expired ? _authority : other).Issue("stranger", [Source], expired);

        await Assert.ThrowsAsync<TransferFailedException>(
            () => SendAsync(retry: TimeSpan.FromSeconds(2), options: new TransferOptions { TransferCertificate = certificate, TransferKey = key }));

        Assert.Empty(_transfers.Arrivals);
    }

    [Fact]
    public async Task ACertificateForServersAloneIsNoClients()
    {
        await ServeAsync();
        var (certificate, key) = _authority.Issue("web", [Source], uses: ["1.3.6.1.5.5.7.3.1"]);

        await Assert.ThrowsAsync<TransferFailedException>(
            () => SendAsync(retry: TimeSpan.FromSeconds(2), options: new TransferOptions { TransferCertificate = certificate, TransferKey = key }));

        Assert.Empty(_transfers.Arrivals);
    }

    /// <summary>What is tested is whom the server takes.</summary>
    private static bool IsAnybody(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) => certificate is not null;

    [Fact]
    public async Task WithoutACertificateNobodyComesToTheHttpServer()
    {
        await ServeAsync();
        using var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = IsAnybody, EnabledSslProtocols = SslProtocols.Tls13 },
        };
        using var client = new HttpClient(handler);

        await Assert.ThrowsAsync<HttpRequestException>(() => client.PutAsync(
            new Uri($"https://127.0.0.1:{_port}/v1/arrivals/{_id}"), new ByteArrayContent(_departure.Manifest.ToJson())));

        Assert.Empty(_transfers.Arrivals);
    }

    [Fact]
    public async Task AnOlderTlsIsNotSpoken()
    {
        await ServeAsync();
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, _port);
        await using var tls = new SslStream(socket.GetStream(), false, IsAnybody);

        await Assert.ThrowsAnyAsync<Exception>(() => tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions { TargetHost = Target, EnabledSslProtocols = SslProtocols.Tls12 }));
    }

    [Fact]
    public async Task NoNameFromTheWireIsAPath()
    {
        await ServeAsync();
        using var client = Client();
        Assert.True((await client.PutAsync(Url(""), new ByteArrayContent(_departure.Manifest.ToJson()))).IsSuccessStatusCode);

        foreach (var part in new[] { "..%2f..%2fetc%2fpasswd", "container.json", "%00" })
        {
            var answer = await client.PutAsync(Url($"/{part}?offset=0"), new ByteArrayContent([1]));
            Assert.True(answer.StatusCode is HttpStatusCode.UnprocessableEntity or HttpStatusCode.NotFound or HttpStatusCode.BadRequest, answer.StatusCode.ToString());
        }
    }

    [Fact]
    public async Task WhatIsTooLargeIsNotRead()
    {
        await ServeAsync();
        using var client = Client();
        client.DefaultRequestHeaders.ExpectContinue = true;
        var manifest = await client.PutAsync(Url(""), new ByteArrayContent(new byte[TransferProtocol.MessageBytes + 1]));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, manifest.StatusCode);

        Assert.True((await client.PutAsync(Url(""), new ByteArrayContent(_departure.Manifest.ToJson()))).IsSuccessStatusCode);
        var piece = await client.PutAsync(Url("/root?offset=0"), new ByteArrayContent(new byte[TransferProtocol.PieceBytes + 1]));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, piece.StatusCode);
    }

    [Fact]
    public async Task APrivilegedContainerGoesOnlyWhereTheOperatorAllowsIt()
    {
        _departure.Manifest = _departure.Manifest with { IdMapBase = null, Spec = _departure.Manifest.Spec with { Security = new SecuritySpec { Privileged = true } } };
        await ServeAsync();
        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());
        Assert.Contains("allow_privileged", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARenewedCertificateIsUsedWithoutARestart()
    {
        await ServeAsync(Target, expired: true, file: "renewed");
        await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        var (certificate, key) = _authority.Issue("renewed", [Target]);
        File.SetLastWriteTimeUtc(certificate, File.GetLastWriteTimeUtc(certificate).AddMinutes(1));
        File.SetLastWriteTimeUtc(key, File.GetLastWriteTimeUtc(key).AddMinutes(1));
        await SendAsync();

        Assert.True(Assert.Single(_transfers.Arrivals).Completed);
    }

    [Fact]
    public async Task HalfAConfigurationIsAFault()
    {
        var options = new TransferOptions { TransferCertificate = "/nowhere" };
        await using var server = Server(options, Receiver(options));
        var fault = await Assert.ThrowsAsync<ConfigurationException>(() => server.StartAsync(None));
        Assert.Contains("transfer_key", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMissingFileIsNamed()
    {
        var options = new TransferOptions { TransferCertificate = "/nowhere/a.pem", TransferKey = "/nowhere/b.pem", TransferCa = "/nowhere/c.pem" };
        await using var server = Server(options, Receiver(options));
        var fault = await Assert.ThrowsAsync<ConfigurationException>(() => server.StartAsync(None));
        Assert.Contains("/nowhere/a.pem", fault.Message, StringComparison.Ordinal);
    }
}
