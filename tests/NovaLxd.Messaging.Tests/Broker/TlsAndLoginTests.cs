using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.Messaging.Tests.Broker;

[Collection(BrokerCollection.Name)]
[Trait("Lane", "broker")]
public sealed class TlsAndLoginTests(SharedBroker shared)
{
    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("localhost", true)]
    [InlineData("127.0.0.2", false)] // the same broker by an address that is not in the certificate
    public async Task CertificateOfTheGivenAuthorityIsAccepted(string host, bool checkName)
    {
        await using var bus = new TestBus(shared.RabbitMq, Tls(checkName), url: Url(host, shared.RabbitMq.TlsPort));
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));
    }

    [Fact]
    public async Task WrongNameIsRefusedWhenNamesAreChecked()
    {
        await using var bus = new TestBus(shared.RabbitMq, Tls(checkName: true), url: Url("127.0.0.2", shared.RabbitMq.TlsPort));

        await Assert.ThrowsAsync<RpcTimeoutException>(() => bus.Client.CallAsync(bus.Target, TestBus.Context, "m", [], TimeSpan.FromSeconds(6)));

        await Eventually.HoldsAsync(
            () => bus.Log.Errors.Any(line => line.Contains("certificate", StringComparison.OrdinalIgnoreCase)), "the reason in the log");
    }

    [Fact]
    public async Task CertificateOfAnUnknownAuthorityIsRefused()
    {
        await using var bus = new TestBus(shared.RabbitMq, TestBus.Quick with { Ssl = true }, url: Url("127.0.0.1", shared.RabbitMq.TlsPort));
        await Assert.ThrowsAsync<MessageDeliveryException>(() => bus.Transport.Listen.ConnectedAsync(0, default)); // the first attempt is over

        var error = await Assert.ThrowsAsync<RpcTimeoutException>(
            () => bus.Client.CallAsync(bus.Target, TestBus.Context, "m", [], TimeSpan.FromSeconds(6)));

        Assert.Contains("certificate", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("AMQPLAIN")]
    public async Task BothLoginMethodsWork(string method)
    {
        await using var bus = new TestBus(shared.RabbitMq, TestBus.Quick with { RabbitLoginMethod = method });
        await bus.ServeAsync(TestBus.Table(TestBus.Echo));

        Assert.NotNull(await bus.Client.CallAsync(bus.Target, TestBus.Context, "echo", []));
    }

    [Fact]
    public async Task WrongPasswordIsReportedAndTriedAgain()
    {
        await using var bus = new TestBus(shared.RabbitMq, url: $"rabbit://tester:wrong@127.0.0.1:{shared.RabbitMq.Port}/");

        await Assert.ThrowsAsync<RpcTimeoutException>(() => bus.Client.CallAsync(bus.Target, TestBus.Context, "m", [], TimeSpan.FromSeconds(8)));

        await Eventually.HoldsAsync(
            () => bus.Log.Errors.Count(line => line.Contains("cannot be reached to listen", StringComparison.Ordinal)) >= 2, "a second attempt");
        await Eventually.HoldsAsync(
            () => bus.Transport.Listening.LastError?.Contains("ACCESS_REFUSED", StringComparison.Ordinal) == true, "the broker's reason");
    }

    private RabbitOptions Tls(bool checkName) =>
        TestBus.Quick with { Ssl = true, SslCaFile = shared.RabbitMq.CaFile, SslEnforceHostnameVerification = checkName };

    private static string Url(string host, int port) => $"rabbit://{RabbitMqFixture.Credentials}@{host}:{port}/";
}
