using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Authentication;
using NovaLxd.OpenStack.Glance;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Neutron.Models;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.Placement.Models;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.OpenStack.Tests.Authentication;

public sealed class AuthenticationTests : CloudTest
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 11, 24, 3, 0, 0, TimeSpan.Zero));

    protected override TimeProvider Time => time;

    private Task<PlacementVersion?> AskPlacement(IServiceProvider services) =>
        services.GetRequiredService<PlacementClient>().GetVersionAsync(Service, Never);

    [Fact]
    public async Task ManyCallersAtOnceFetchOneToken()
    {
        var services = Start();
        Cloud.Keystone.Faults.Add(new Fault("POST") { Delay = TimeSpan.FromMilliseconds(100) });
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => AskPlacement(services)));
        Assert.Equal(1, Cloud.Keystone.TokensIssued);
    }

    [Fact]
    public async Task SectionsWithTheSameUserShareOneToken()
    {
        var services = Start(("neutron.username", "placement"));
        await AskPlacement(services);
        Cloud.Keystone.ForgetRequests();
        await services.GetRequiredService<NeutronClient>().GetExtensionsAsync(Service, Never);
        Assert.DoesNotContain(Cloud.Keystone.Requests, r => r.Body.Contains("\"placement\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task TokenIsRenewedBeforeItExpires()
    {
        Cloud.Keystone.TokenLifetime = TimeSpan.FromHours(1);
        var services = Start();
        await AskPlacement(services);
        time.Advance(TimeSpan.FromMinutes(54));
        await AskPlacement(services);
        Assert.Equal(1, Cloud.Keystone.TokensIssued);
        time.Advance(TimeSpan.FromMinutes(2));
        await AskPlacement(services);
        Assert.Equal(2, Cloud.Keystone.TokensIssued);
        Assert.DoesNotContain(Cloud.Placement.Requests, r => r.Status == 401);
    }

    [Fact]
    public async Task AValidTokenIsUsedOnWhenKeystoneIsDownAtRenewal()
    {
        Cloud.Keystone.TokenLifetime = TimeSpan.FromHours(1);
        var services = Start(("placement.connect_retries", "0"));
        await AskPlacement(services);
        await Cloud.Keystone.GoDownAsync();
        time.Advance(TimeSpan.FromMinutes(56));
        Assert.NotNull(await AskPlacement(services));
        time.Advance(TimeSpan.FromMinutes(5));
        var failure = await Assert.ThrowsAsync<ServiceUnreachableException>(() => AskPlacement(services));
        Assert.Equal("keystone", failure.Service);
    }

    [Fact]
    public async Task RevokedServiceTokenIsRenewedAndTheRequestSentOnceMore()
    {
        var services = Start();
        var placement = services.GetRequiredService<IPlacementApi>();
        await placement.GetProvidersByNameAsync(Service, "x", Never);
        Cloud.Keystone.RevokeAll();
        Cloud.Placement.ForgetRequests();
        await placement.GetProvidersByNameAsync(Service, "x", Never);
        Assert.Equal([401, 200], Cloud.Placement.Requests.Select(r => r.Status));
    }

    [Fact]
    public async Task ARefusalThatStaysIsNotRepeatedForEver()
    {
        var services = Start();
        Cloud.Placement.Faults.Add(Fault.Answer(401));
        var failure = await Assert.ThrowsAsync<OpenStackHttpException>(() => AskPlacement(services));
        Assert.Equal(HttpStatusCode.Unauthorized, failure.Status);
        Assert.Equal(2, Cloud.Placement.Requests.Count);
    }

    [Fact]
    public async Task ExpiredUserTokenPassesBesideAServiceToken()
    {
        Cloud.Keystone.TokenLifetime = TimeSpan.FromHours(1);
        var user = User(roles: "admin");
        var services = Start();
        time.Advance(TimeSpan.FromHours(2));
        var extensions = await services.GetRequiredService<NeutronClient>().GetExtensionsAsync(user, Never);
        Assert.Contains("binding", extensions);
    }

    [Fact]
    public async Task ExpiredServiceTokenBesideAUsersIsRenewed()
    {
        var services = Start();
        var neutron = services.GetRequiredService<INeutronApi>();
        await neutron.ListExtensionsAsync(User(), Never);
        Cloud.Keystone.Revoke(Cloud.Neutron.Requests[^1].Header("X-Service-Token")!);
        await neutron.ListExtensionsAsync(User(), Never);
        Assert.Equal([200, 401, 200], Cloud.Neutron.Requests.Select(r => r.Status));
    }

    [Fact]
    public async Task UserRequestCarriesBothTokensAndTheRequestId()
    {
        var user = User() with { GlobalRequestId = "req-99999999-2222-3333-4444-555555555555" };
        await Start().GetRequiredService<INeutronApi>().ListExtensionsAsync(user, Never);
        var request = Cloud.Neutron.Requests.Single();
        Assert.Equal(user.UserToken, request.Header("X-Auth-Token"));
        Assert.NotNull(Cloud.Keystone.Validate(request.Header("X-Service-Token")));
        Assert.NotEqual(user.UserToken, request.Header("X-Service-Token"));
        Assert.Equal(user.GlobalRequestId, request.Header("X-Openstack-Request-Id"));
        Assert.StartsWith("novalxd", request.Header("User-Agent"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutSendServiceUserTokenNoServiceTokenGoesOut()
    {
        await Start(("service_user.send_service_user_token", "false")).GetRequiredService<INeutronApi>().ListExtensionsAsync(User(), Never);
        Assert.Null(Cloud.Neutron.Requests.Single().Header("X-Service-Token"));
    }

    [Fact]
    public async Task AdminCallUsesTheSectionsCredentialsThoughThereIsAUser()
    {
        await Start().GetRequiredService<INeutronApi>().ListExtensionsAsync(User().WithServiceCredentials(), Never);
        Assert.Equal("neutron", Cloud.Keystone.Validate(Cloud.Neutron.Requests.Single().Header("X-Auth-Token"))!.UserName);
    }

    [Fact]
    public async Task PlacementNeverSeesTheUsersToken()
    {
        await Start().GetRequiredService<IPlacementApi>().GetProvidersByNameAsync(User(), "x", Never);
        var request = Cloud.Placement.Requests.Single();
        Assert.Equal("placement", Cloud.Keystone.Validate(request.Header("X-Auth-Token"))!.UserName);
        Assert.Null(request.Header("X-Service-Token"));
    }

    [Fact]
    public async Task ARequestWithoutTokenAndWithoutAdminRightsIsRefusedBeforeItIsSent()
    {
        var nobody = new OpenStackCaller(null, RequestId);
        await Assert.ThrowsAsync<AuthenticationFailedException>(() => Start().GetRequiredService<INeutronApi>().ListExtensionsAsync(nobody, Never));
        Assert.Empty(Cloud.Neutron.Requests);
    }

    [Fact]
    public async Task WrongPasswordSaysWhoseAndWhere()
    {
        var failure = await Assert.ThrowsAsync<AuthenticationFailedException>(() => AskPlacement(Start(("placement.password", "wrong"))));
        Assert.Contains("[placement]", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ApplicationCredentialLogsInWithoutScope()
    {
        Cloud.Keystone.AddApplicationCredential("cred1", "topsecret", "placement");
        await AskPlacement(Start(
            ("placement.auth_type", "v3applicationcredential"), ("placement.application_credential_id", "cred1"), ("placement.application_credential_secret", "topsecret"),
            ("placement.username", null), ("placement.password", null), ("placement.project_name", null)));
        var expected = JObject.Parse("""{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"cred1","secret":"topsecret"}}}}""");
        Assert.True(JToken.DeepEquals(expected, Cloud.Keystone.Requests.Single().Json), Cloud.Keystone.Requests.Single().Body);
    }

    [Fact]
    public async Task AuthUrlWithoutVersionWorksToo()
    {
        Assert.NotNull(await AskPlacement(Start(("placement.auth_url", Cloud.Keystone.Url + "/"))));
        Assert.Equal("/v3/auth/tokens", Cloud.Keystone.Requests.Single().Path);
    }

    [Fact]
    public async Task UsersCatalogLeadsToTheService()
    {
        await using var other = new TestCloud.Neutron.FakeNeutron(Cloud.Keystone);
        await other.StartAsync();
        var catalog = JArray.Parse($$"""[{"type":"network","name":"neutron","endpoints":[{"region":"RegionOne","publicURL":"http://127.0.0.1:1","internalURL":"{{other.Url}}/v2.0/","adminURL":"http://127.0.0.1:1"}]}]""");
        await Start().GetRequiredService<INeutronApi>().ListExtensionsAsync(User() with { Catalog = ServiceCatalog.Parse(catalog) }, Never);
        Assert.Equal("GET /v2.0/extensions", other.Requests.Single().Line);
        Assert.Empty(Cloud.Neutron.Requests);
    }

    [Fact]
    public async Task EndpointOverrideWinsAndItsVersionIsNotDoubled()
    {
        await Start(("neutron.endpoint_override", Cloud.Neutron.Url + "/v2.0"), ("neutron.region_name", "Nowhere"))
            .GetRequiredService<INeutronApi>().ListPortsAsync(Service, new PortQuery(), Never);
        Assert.Equal("GET /v2.0/ports", Cloud.Neutron.Requests.Single().Line);
    }

    [Fact]
    public async Task MissingEndpointSaysWhatWasLookedForAndWhatIsThere()
    {
        var services = Start(("placement.region_name", "RegionTwo"), ("placement.valid_interfaces", "internal"));
        var failure = await Assert.ThrowsAsync<EndpointNotFoundException>(() => AskPlacement(services));
        Assert.Contains("no internal endpoint of type placement in region RegionTwo", failure.Message, StringComparison.Ordinal);
        Assert.Contains("placement public in RegionOne", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EndpointThatIsRegisteredLaterIsFound()
    {
        var services = Start(("placement.region_name", "RegionTwo"));
        await Assert.ThrowsAsync<EndpointNotFoundException>(() => AskPlacement(services));
        Cloud.Keystone.AddService("placement", "placement", Cloud.Placement.Url, "RegionTwo");
        Assert.NotNull(await AskPlacement(services));
    }

    [Fact]
    public async Task GlanceWithoutCredentialsOfItsOwnUsesTheServiceUsersForBackgroundWork()
    {
        var id = Cloud.Glance.AddImage("cirros", [1, 2, 3]);
        var image = await Start().GetRequiredService<GlanceClient>().ShowAsync(Service, id, Never);
        Assert.Equal("cirros", image.Name);
        Assert.Equal("nova", Cloud.Keystone.Validate(Cloud.Glance.Requests.Single().Header("X-Auth-Token"))!.UserName);
    }

    [Fact]
    public async Task OneCallersCancellationDoesNotTakeTheTokenFromTheOthers()
    {
        var services = Start();
        Cloud.Keystone.Faults.Add(new Fault("POST") { Delay = TimeSpan.FromMilliseconds(200) });
        using var impatient = new CancellationTokenSource();
        var first = services.GetRequiredService<PlacementClient>().GetVersionAsync(Service, impatient.Token);
        var second = AskPlacement(services);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.NotNull(await second);
        Assert.Equal(1, Cloud.Keystone.TokensIssued);
    }
}
