using NovaLxd.TestCloud.Glance;
using NovaLxd.TestCloud.Keystone;
using NovaLxd.TestCloud.Neutron;
using NovaLxd.TestCloud.Placement;

namespace NovaLxd.TestCloud.Http;

/// <summary>The REST services of a small cloud, on loopback ports, in one catalog. Service users: their own names, password "secret".</summary>
public sealed class HttpCloud : IAsyncDisposable
{
    public const string Password = "secret";

    private HttpCloud(TimeProvider? time)
    {
        Keystone = new FakeKeystone(time);
        Placement = new FakePlacement(Keystone);
        Neutron = new FakeNeutron(Keystone);
        Glance = new FakeGlance(Keystone);
    }

    public FakeKeystone Keystone { get; }
    public FakePlacement Placement { get; }
    public FakeNeutron Neutron { get; }
    public FakeGlance Glance { get; }

    public static async Task<HttpCloud> StartAsync(TimeProvider? time = null)
    {
        var cloud = new HttpCloud(time);
        await cloud.Keystone.StartAsync();
        await cloud.Placement.StartAsync();
        await cloud.Neutron.StartAsync();
        await cloud.Glance.StartAsync();
        foreach (var user in new[] { "placement", "neutron", "glance", "cinder", "nova" })
            cloud.Keystone.AddUser(user, Password);
        cloud.Keystone.AddService("placement", "placement", cloud.Placement.Url);
        cloud.Keystone.AddService("network", "neutron", cloud.Neutron.Url);
        cloud.Keystone.AddService("image", "glance", cloud.Glance.Url);
        return cloud;
    }

    /// <summary>The sections of nova.conf that lead here, as section, option and value.</summary>
    public IReadOnlyList<(string Section, string Option, string Value)> Configuration()
    {
        var lines = new List<(string, string, string)> { ("service_user", "send_service_user_token", "true") };
        foreach (var (section, user) in new[] { ("placement", "placement"), ("neutron", "neutron"), ("service_user", "nova") })
        {
            lines.AddRange(
            [
                (section, "auth_type", "password"), (section, "auth_url", Keystone.AuthUrl), (section, "username", user), (section, "password", Password),
                (section, "project_name", "service"), (section, "user_domain_name", "Default"), (section, "project_domain_name", "Default"), (section, "region_name", "RegionOne"),
            ]);
        }

        lines.Add(("glance", "region_name", "RegionOne"));
        return lines;
    }

    public async ValueTask DisposeAsync()
    {
        await Glance.DisposeAsync();
        await Neutron.DisposeAsync();
        await Placement.DisposeAsync();
        await Keystone.DisposeAsync();
    }
}
