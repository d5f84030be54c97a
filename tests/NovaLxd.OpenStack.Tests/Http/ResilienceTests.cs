using System.Diagnostics.Metrics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.OpenStack.Placement;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.OpenStack.Tests.Http;

public sealed class ResilienceTests : CloudTest
{
    private NeutronClient Neutron(params (string, string?)[] set) => Start(set).GetRequiredService<NeutronClient>();

    private string Port() => Cloud.Neutron.AddPort(Cloud.Neutron.AddNetwork("net", "p"), "p");

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task SafeRequestIsRepeatedUntilItSucceeds(int status)
    {
        var port = Port();
        Cloud.Neutron.Faults.Add(Fault.Answer(status, times: 3));
        Assert.Equal(port, (await Neutron().ShowPortAsync(Service, port, null, Never)).Id);
        Assert.Equal([status, status, status, 200], Cloud.Neutron.Requests.Select(r => r.Status));
    }

    [Fact]
    public async Task RepetitionsEndAtTheSectionsLimitAndTheAnswerIsReported()
    {
        Cloud.Neutron.Faults.Add(Fault.Answer(503));
        var failure = await Assert.ThrowsAsync<NeutronException>(() => Neutron(("neutron.http_retries", "2")).ShowPortAsync(Service, Port(), null, Never));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, failure.Status);
        Assert.NotNull(failure.RequestId);
        Assert.Equal(3, Cloud.Neutron.Requests.Count);
    }

    [Fact]
    public async Task PostIsNotRepeatedAfterAnErrorSinceItMayHaveBeenDone()
    {
        var network = Cloud.Neutron.AddNetwork("net", "p");
        Cloud.Neutron.Faults.Add(Fault.Answer(503, "POST") with { AfterEffect = true });
        await Assert.ThrowsAsync<NeutronException>(() => Neutron().CreatePortAsync(Service, new PortCreate { NetworkId = network }, Never));
        Assert.Single(Cloud.Neutron.Ports);
    }

    [Fact]
    public async Task PostIsRepeatedWhenNobodyListened()
    {
        var network = Cloud.Neutron.AddNetwork("net", "p");
        var neutron = Neutron(("neutron.http_retries", "8"), ("neutron.connect_retry_delay", "0.05"));
        await neutron.GetExtensionsAsync(Service, Never);
        await Cloud.Neutron.GoDownAsync();
        var creating = neutron.CreatePortAsync(Service, new PortCreate { NetworkId = network }, Never);
        await Task.Delay(100);
        await Cloud.Neutron.ComeUpAsync();
        await creating;
        Assert.Single(Cloud.Neutron.Ports);
    }

    [Fact]
    public async Task LostAnswerOfADeleteCountsAsDeleted()
    {
        var port = Port();
        Cloud.Neutron.Faults.Add(new Fault("DELETE") { Abort = true, AfterEffect = true, Times = 1 });
        Assert.False(await Neutron().DeletePortAsync(Service, port, Never));
        Assert.Equal(2, Cloud.Neutron.Requests.Count(r => r.Method == "DELETE"));
        Assert.Empty(Cloud.Neutron.Ports);
    }

    [Fact]
    public async Task ABodyThatBreaksOffIsReadAgain()
    {
        var port = Port();
        Cloud.Neutron.Faults.Add(new Fault("GET") { AbortAfterBytes = 20, Times = 1 });
        Assert.Equal(port, (await Neutron().ShowPortAsync(Service, port, null, Never)).Id);
    }

    [Fact]
    public async Task SlowAnswerIsAbandonedAndAskedForAgain()
    {
        var port = Port();
        Cloud.Neutron.Faults.Add(new Fault("GET") { Delay = TimeSpan.FromMinutes(5), Times = 1 });
        Assert.Equal(port, (await Neutron(("neutron.timeout", "3")).ShowPortAsync(Service, port, null, Never)).Id);
        Assert.Equal(2, Cloud.Neutron.Requests.Count);
    }

    [Fact]
    public async Task ServiceThatIsDownIsReportedByNameAddressAndReason()
    {
        var neutron = Neutron(("neutron.http_retries", "1"));
        await neutron.GetExtensionsAsync(Service, Never);
        await Cloud.Neutron.GoDownAsync();
        var failure = await Assert.ThrowsAsync<ServiceUnreachableException>(() => neutron.ShowPortAsync(Service, "x", null, Never));
        Assert.Equal("neutron", failure.Service);
        Assert.StartsWith($"neutron at {Cloud.Neutron.Url}/v2.0/ports/x cannot be reached: Connection refused", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TimeOutIsReportedAsUnreachable()
    {
        Cloud.Neutron.Faults.Add(new Fault { Delay = TimeSpan.FromMinutes(5) });
        var failure = await Assert.ThrowsAsync<ServiceUnreachableException>(
            () => Neutron(("neutron.timeout", "0.2"), ("neutron.http_retries", "1")).ShowPortAsync(Service, "x", null, Never));
        Assert.Contains("no answer within 0.2 s", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CancellationIsNotTakenForATimeOut()
    {
        Cloud.Neutron.Faults.Add(new Fault { Delay = TimeSpan.FromMinutes(5) });
        using var cancel = new CancellationTokenSource();
        var call = Neutron().ShowPortAsync(Service, "x", null, cancel.Token);
        await Task.Delay(100);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact]
    public async Task KeystoneThatFailsForAWhileIsAskedAgain()
    {
        Cloud.Keystone.Faults.Add(Fault.Answer(503, times: 2));
        Assert.NotNull(await Start().GetRequiredService<PlacementClient>().GetVersionAsync(Service, Never));
    }

    [Fact]
    public async Task NotFoundAndForbiddenAreNotRepeated()
    {
        Cloud.Neutron.Faults.Add(Fault.Answer(403));
        await Assert.ThrowsAsync<NeutronException>(() => Neutron().ShowPortAsync(Service, "x", null, Never));
        Assert.Single(Cloud.Neutron.Requests);
    }

    [Fact]
    public async Task AttemptsAreCountedByServiceAndOutcome()
    {
        var services = Start();
        var factory = services.GetRequiredService<IMeterFactory>();
        using var requests = new MetricCollector<long>(factory, OpenStackMetrics.MeterName, "novalxd.openstack.requests");
        using var failures = new MetricCollector<long>(factory, OpenStackMetrics.MeterName, "novalxd.openstack.failures");
        using var duration = new MetricCollector<double>(factory, OpenStackMetrics.MeterName, "novalxd.openstack.duration");
        Cloud.Neutron.Faults.Add(Fault.Answer(503, times: 1));
        await services.GetRequiredService<NeutronClient>().GetExtensionsAsync(Service, Never);
        var neutron = requests.GetMeasurementSnapshot().Where(m => (string?)m.Tags["service"] == "neutron").Select(m => m.Tags["outcome"]);
        Assert.Equal(["5xx", "2xx"], neutron);
        Assert.Equal("neutron", Assert.Single(failures.GetMeasurementSnapshot()).Tags["service"]);
        Assert.Contains(duration.GetMeasurementSnapshot(), m => (string?)m.Tags["service"] == "keystone" && m.Value > 0);
    }

    [Fact]
    public async Task CafileDecidesWhomWeTrustAndInsecureTrustsAll()
    {
        var directory = Directory.CreateTempSubdirectory();
        try
        {
            using var certificate = SelfSigned();
            var cafile = Path.Combine(directory.FullName, "ca.pem");
            await File.WriteAllTextAsync(cafile, certificate.ExportCertificatePem());
            await using var server = Https(certificate);
            await server.StartAsync();
            var url = server.Urls.First();

            var distrusted = await Assert.ThrowsAsync<ServiceUnreachableException>(() => Ask(("placement.endpoint_override", url)));
            Assert.Contains("certificate", distrusted.Message, StringComparison.Ordinal);
            Assert.Equal("1.39", await Ask(("placement.endpoint_override", url), ("placement.cafile", cafile)));
            Assert.Equal("1.39", await Ask(("placement.endpoint_override", url), ("placement.insecure", "true")));
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        async Task<string?> Ask(params (string, string?)[] set) =>
            (await Start(set).GetRequiredService<PlacementClient>().GetVersionAsync(Service, Never))?.MaxVersion;
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }

    private static WebApplication Https(X509Certificate2 certificate)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, l => l.UseHttps(certificate)));
        var application = builder.Build();
        application.MapGet("/", () => Results.Text("""{"versions":[{"id":"v1.0","min_version":"1.0","max_version":"1.39"}]}""", "application/json"));
        return application;
    }
}
