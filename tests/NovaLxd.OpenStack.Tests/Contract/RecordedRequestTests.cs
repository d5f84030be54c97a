using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.OpenStack.Tests.Contract;

/// <summary>Our requests against those that a real nova-compute made, and its answers read by our records.</summary>
public sealed class RecordedRequestTests : CloudTest
{
    public static TheoryData<string, int> Recordings()
    {
        var data = new TheoryData<string, int>();
        foreach (var release in new[] { "zed", "2026.1" })
        {
            var recordings = Recording.Load(release);
            for (var i = 0; i < recordings.Count; i++)
            {
                if (recordings[i].Service is "placement" or "neutron" or "glance" or "cinder" && RecordedCalls.NotMade(recordings[i]) is null)
                    data.Add(release, i);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Recordings))]
    public async Task OurRequestEqualsNovas(string release, int index)
    {
        var recordings = Recording.Load(release);
        var expected = recordings[index];
        await using var recorded = new RecordedCloud(recordings);
        await recorded.StartAsync();
        var services = Start(
            ("placement.endpoint_override", recorded.Url), ("neutron.endpoint_override", recorded.Url),
            ("glance.endpoint_override", recorded.Url), ("cinder.endpoint_override", recorded.Url));

        var call = new RecordedCalls(services, User()).Make(expected);
        Assert.True(call is not null, $"no call of ours makes: {expected}");
        await call;

        var made = recorded.Requests.Single();
        Assert.Equal(expected.Method, made.Method);
        Assert.Equal(Recording.PathOf(expected.Path), made.Path);
        Assert.Equal(Recording.Query(expected.Path), Recording.Query(made.PathAndQuery));
        Assert.Equal(expected.Version, made.Header("OpenStack-API-Version"));
        Assert.True(Recording.SameBody(expected.Body, made.Json), $"expected {expected.Body}\nbut sent {made.Body}");
        Assert.Equal(expected.ServiceToken, made.Header("X-Service-Token") is not null);
        Assert.NotNull(made.Header("X-Auth-Token"));
        Assert.Equal(RequestId, made.Header("X-Openstack-Request-Id"));
        Assert.Equal(expected.Body is not null and not { Type: JTokenType.Null }, made.Header("Content-Type") == "application/json");
        Assert.Null(made.Header("Transfer-Encoding"));
        Assert.Equal(expected.Status, made.Status);
    }

    /// <summary>The body, name by name: password login as Nova's [placement] user does it.</summary>
    [Theory]
    [InlineData("zed")]
    [InlineData("2026.1")]
    public async Task OurLoginEqualsNovas(string release)
    {
        var expected = Recording.Load(release).First(r => r.Line == "POST /v3/auth/tokens");
        var user = (string)expected.Body!.SelectToken("auth.identity.password.user.name")!;
        var password = (string)expected.Body!.SelectToken("auth.identity.password.user.password")!;
        Cloud.Keystone.AddUser(user, password);
        var services = Start(("placement.username", user), ("placement.password", password));
        await new RecordedCalls(services, Service).Make(new Recording(release, "placement", "GET", "/", null, true, false, null, 200, null))!;
        Assert.True(JToken.DeepEquals(expected.Body, Cloud.Keystone.Requests.Single().Json), Cloud.Keystone.Requests.Single().Body);
    }
}
