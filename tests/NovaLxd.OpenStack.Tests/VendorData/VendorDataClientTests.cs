using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.VendorData;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.OpenStack.Tests.VendorData;

public sealed class VendorDataClientTests : CloudTest
{
    private readonly OperatorsService _service = new();

    private string Url => _service.Url + "/data";

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        await _service.StartAsync();
    }

    public override async Task DisposeAsync()
    {
        await _service.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task WithoutALoginItIsAskedWithoutAToken()
    {
        Assert.Equal("yes", (string?)(await AskAsync(Client()))["told"]);
        var request = Assert.Single(_service.Requests);
        Assert.Equal("u1", (string?)JObject.Parse(request.Body)["instance-id"]);
        Assert.False(request.Headers.ContainsKey("X-Auth-Token"));
        Assert.Equal("application/json", request.Headers["Content-Type"]);
    }

    [Fact]
    public async Task WithALoginTheTokenGoesAlong()
    {
        var login = Cloud.Configuration().Where(line => line.Section == "neutron").Select(line => ($"vendordata_dynamic_auth.{line.Option}", (string?)line.Value));
        await AskAsync(Client([.. login]));
        Assert.NotEmpty(Assert.Single(_service.Requests).Headers["X-Auth-Token"]);
    }

    [Fact]
    public async Task ARefusalIsNotRepeated()
    {
        _service.Faults.Add(Fault.Answer(503, "POST", "/data"));
        var failure = await Assert.ThrowsAsync<OpenStackHttpException>(() => AskAsync(Client()));
        Assert.Contains("/data gave no vendor data", failure.Message, StringComparison.Ordinal);
        Assert.Single(_service.Requests);
    }

    [Fact]
    public async Task NothingIsAnEmptyAnswerAndWhatIsNoJsonIsNone()
    {
        _service.Answer = "";
        Assert.Empty(await AskAsync(Client()));
        _service.Answer = "<html>";
        await Assert.ThrowsAsync<VendorDataException>(() => AskAsync(Client()));
        await Assert.ThrowsAsync<VendorDataException>(() => Client().AskAsync("file:///etc/shadow", [], Never));
    }

    [Fact]
    public async Task OneThatDoesNotAnswerIsNotWaitedForLong()
    {
        var client = Client(("api.vendordata_dynamic_connect_timeout", "0.5"), ("api.vendordata_dynamic_read_timeout", "0.5"));
        _service.Faults.Add(new Fault("POST", "/data") { Delay = TimeSpan.FromMinutes(10) });
        Assert.Contains("no answer within 1 s", (await Assert.ThrowsAsync<ServiceUnreachableException>(() => AskAsync(client))).Message, StringComparison.Ordinal);
        await _service.GoDownAsync();
        await Assert.ThrowsAsync<ServiceUnreachableException>(() => AskAsync(client));
    }

    private VendorDataClient Client(params (string Name, string? Value)[] set) => Start(set).GetRequiredService<VendorDataClient>();

    private Task<JToken> AskAsync(VendorDataClient client) => client.AskAsync(Url, new JObject { ["instance-id"] = "u1" }, Never);

    private sealed class OperatorsService() : FakeService("operator")
    {
        public string Answer { get; set; } = """{"told": "yes"}""";

        protected override void Map(IEndpointRouteBuilder routes) => routes.MapMethods("/data", ["POST"], context => context.Response.WriteAsync(Answer));

        protected override string ErrorBody(HttpContext context, int status, string message, string code) => message;
    }
}
