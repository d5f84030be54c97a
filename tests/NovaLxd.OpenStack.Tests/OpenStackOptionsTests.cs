using NovaLxd.OpenStack.Authentication;

namespace NovaLxd.OpenStack.Tests;

public sealed class OpenStackOptionsTests
{
    private readonly List<string> faults = [];

    private OpenStackOptions Read(params (string Name, string Value)[] lines)
    {
        var values = lines.ToDictionary(l => l.Name, l => l.Value);
        return OpenStackOptions.Read((section, option) => values.GetValueOrDefault($"{section}.{option}"), faults);
    }

    [Fact]
    public void DefaultsAreNovas()
    {
        var options = Read();
        Assert.Empty(faults);
        Assert.Equal("network", options.Neutron.Adapter.ServiceType);
        Assert.Equal(["internal", "public"], options.Placement.Adapter.ValidInterfaces);
        Assert.Equal(3, options.Glance.Adapter.Retries);
        Assert.Equal(("volumev3", "publicURL"), (options.Cinder.Adapter.ServiceType, options.Cinder.Adapter.ValidInterfaces.Single()));
        Assert.Equal(TimeSpan.FromSeconds(600), options.NeutronExtensionSyncInterval);
        Assert.False(options.SendServiceUserToken);
        Assert.Null(options.Placement.Credentials);
    }

    [Fact]
    public void AuthSectionLendsTheCredentialsButNotTheAdapter()
    {
        var options = Read(
            ("neutron.auth_section", "keystone_shared"), ("neutron.region_name", "R2"), ("keystone_shared.auth_type", "v3password"), ("keystone_shared.auth_url", "http://k:5000"),
            ("keystone_shared.username", "u"), ("keystone_shared.password", "p"), ("keystone_shared.project_name", "service"), ("keystone_shared.default_domain_id", "default"), ("keystone_shared.region_name", "R1"));
        Assert.Empty(faults);
        Assert.Equal("u", options.Neutron.Credentials!.User!.Name);
        Assert.Equal("default", options.Neutron.Credentials.ProjectDomain!.Id);
        Assert.Equal("R2", options.Neutron.Adapter.RegionName);
    }

    [Fact]
    public void AllFaultsAreNamedAtOnce()
    {
        Read(
            ("placement.auth_type", "password"), ("placement.auth_url", "http://k:5000"), ("placement.username", "u"), ("placement.project_name", "service"),
            ("neutron.auth_type", "kerberos"), ("neutron.http_retries", "some"), ("glance.insecure", "maybe"), ("glance.api_servers", "ftp://g"),
            ("placement.cafile", "/nonexistent/ca.pem"), ("cinder.catalog_info", "volumev3"));
        string[] expected =
        [
            "[placement] password", "[placement] user_domain_name", "[placement] project_domain_name", "[placement] cafile", "[neutron] auth_type",
            "[neutron] http_retries", "[glance] insecure", "[glance] api_servers", "[cinder] catalog_info",
        ];
        Assert.All(expected, e => Assert.Contains(faults, f => f.StartsWith(e, StringComparison.Ordinal)));
        Assert.Equal(expected.Length, faults.Count);
    }

    [Fact]
    public void NothingPrintsSecrets()
    {
        var options = Read(
            ("placement.auth_type", "password"), ("placement.auth_url", "http://k:5000/v3"), ("placement.user_id", "u"), ("placement.password", "hunter2"), ("placement.project_id", "p"));
        Assert.Empty(faults);
        Assert.DoesNotContain("hunter2", options.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("token-x", new OpenStackCaller("token-x", "req-1").ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://h:9292/v2/", "http://h:9292")]
    [InlineData("http://h/image/v2.1", "http://h/image")]
    [InlineData("http://h:9696", "http://h:9696")]
    [InlineData("http://h/volume/v3/fea9d3d0cdd24cebbbdefdd5dfbc7790", "http://h/volume")]
    [InlineData("http://h/v2ray", "http://h/v2ray")]
    public void VersionIsTakenFromTheEndOfAnEndpoint(string url, string root) => Assert.Equal(root, CatalogEndpoints.Root(url));

    [Fact]
    public void CatalogPrefersTheExactTypeThenAliasesThenTheOrderOfInterfaces()
    {
        var catalog = new ServiceCatalog(
        [
            new("volumev3", "cinderv3", "R1", "public", "old"), new("block-storage", "cinder", "R1", "public", "new"), new("block-storage", "cinder", "R1", "internal", "inside"),
            new("network", "neutron", "R2", "public", "net2"),
        ]);
        Assert.Equal("old", Find("volumev3", "public"));
        Assert.Equal("new", Find("block-storage", "publicURL"));
        Assert.Equal("inside", Find("volumev2", "internal", "public"));
        Assert.Null(Find("network", "internal"));
        Assert.Equal("net2", Find("network", "internal", "public"));

        string? Find(string type, params string[] interfaces) => catalog.Find(new AdapterOptions { ServiceType = type, ValidInterfaces = interfaces })?.Url;
    }
}
