using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json.Linq;
using NovaLxd.Metadata;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.VendorData;
using NovaLxd.Outcomes;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.Tests.Metadata;

public sealed class VendorDataTests : IAsyncLifetime
{
    private readonly string _file = Path.GetTempFileName();
    private readonly OperatorsService _service = new();
    private readonly ServiceProvider _parts = new ServiceCollection().AddOpenStack(_ => OpenStackOptions.Read((_, _) => null, [])).BuildServiceProvider();

    public Task InitializeAsync() => _service.StartAsync();

    public async Task DisposeAsync()
    {
        File.Delete(_file);
        await _parts.DisposeAsync();
        await _service.DisposeAsync();
    }

    [Fact]
    public async Task WithoutAFileItIsEmpty()
    {
        var read = await ReadAsync(new());
        Assert.Equal("{}", PythonJson.Write(read.File!));
        Assert.Equal("""{"static": {}}""", PythonJson.Write(read.All));
    }

    [Fact]
    public async Task TheFileIsReadEachTime()
    {
        await File.WriteAllTextAsync(_file, """{"a": "2026-01-01T00:00:00Z"}""");
        var options = new MetadataOptions { VendordataJsonfilePath = _file };
        Assert.Equal("2026-01-01T00:00:00Z", (string?)(await ReadAsync(options)).File!["a"]);
        await File.WriteAllTextAsync(_file, """{"a": 2}""");
        Assert.Equal(2, (int?)(await ReadAsync(options)).All["static"]!["a"]);
    }

    [Theory]
    [InlineData("{", "cannot be read as JSON")]
    [InlineData(null, "vendordata_jsonfile_path")]
    public async Task AFileThatIsNoneIsSaid(string? content, string word)
    {
        var path = content is null ? "/nowhere/vendor.json" : _file;
        await File.WriteAllTextAsync(_file, content ?? "");
        var failure = await Assert.ThrowsAsync<MetadataUnavailableException>(() => ReadAsync(new() { VendordataJsonfilePath = path }));
        Assert.Contains(word, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ServicesAreAskedForTheInstanceAndEachHasItsName()
    {
        var read = await ReadAsync(Asking($"one@{_service.Url}/data", "nameless", $"one@{_service.Url}/other", $"static@{_service.Url}/data"));
        Assert.Equal("""{"static": {}, "one": {"told": "yes"}}""", PythonJson.Write(read.All));
        Assert.Equal("{}", PythonJson.Write(read.File!));
        var about = JObject.Parse(_service.Requests[0].Body);
        var instance = Described.Full();
        Assert.Equal(
            (instance.Uuid, instance.ProjectId, "web", "wéb"),
            ((string?)about["instance-id"], (string?)about["project-id"], (string?)about["hostname"], (string?)about["metadata"]!["role"]));
        Assert.Equal(["boot-roles", "hostname", "image-id", "instance-id", "metadata", "project-id", "user-data"], about.Properties().Select(field => field.Name).Order());
    }

    [Fact]
    public async Task WithoutTheFileAmongTheProvidersThereIsNoneOfIt()
    {
        var read = await ReadAsync(Asking($"one@{_service.Url}/data") with { VendordataProviders = ["DynamicJSON"] });
        Assert.Null(read.File);
        Assert.Equal("""{"one": {"told": "yes"}}""", PythonJson.Write(read.All));
    }

    [Fact]
    public async Task AServiceThatFailsIsFatalOnlyIfTheOperatorSaysSo()
    {
        _service.Faults.Add(Fault.Answer(500, "POST", "/data"));
        var options = Asking($"one@{_service.Url}/data");
        Assert.Equal("""{"static": {}, "one": {}}""", PythonJson.Write((await ReadAsync(options)).All));
        var failure = await Assert.ThrowsAsync<MetadataUnavailableException>(() => ReadAsync(options with { VendordataDynamicFailureFatal = true }));
        Assert.Contains("one gave no data", failure.Message, StringComparison.Ordinal);
    }

    private static MetadataOptions Asking(params string[] targets) => new() { VendordataProviders = ["StaticJSON", "DynamicJSON"], VendordataDynamicTargets = targets };

    private Task<VendorDataFiles> ReadAsync(MetadataOptions options) =>
        new VendorData(options, _parts.GetRequiredService<VendorDataClient>(), NullLogger<VendorData>.Instance).ReadAsync(Described.Full(), CancellationToken.None);

    private sealed class OperatorsService() : FakeService("operator")
    {
        protected override void Map(IEndpointRouteBuilder routes) => routes.MapMethods("/data", ["POST"], context => context.Response.WriteAsync("""{"told": "yes"}"""));

        protected override string ErrorBody(HttpContext context, int status, string message, string code) => message;
    }
}
