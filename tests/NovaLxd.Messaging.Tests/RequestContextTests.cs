using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests;

public sealed class RequestContextTests
{
    [Fact]
    public void ReadsARecordedContext()
    {
        var context = RequestPayload.Read(Recorded.Payload("cast")).Request.Context;

        Assert.Equal("gAAAA-shortened", context.AuthToken);
        Assert.Equal("fea9d3d0cdd24cebbbdefdd5dfbc7790", context.ProjectId);
        Assert.StartsWith("req-", context.RequestId, StringComparison.Ordinal);
        Assert.NotEmpty(context.Roles);
        Assert.NotEmpty(context.ServiceCatalog);
        Assert.Equal("no", context.ReadDeleted);
    }

    [Fact]
    public void UnknownKeysAndAllOthersArePassedOnAsTheyCame()
    {
        var payload = Recorded.Payload("cast");
        payload["_context_trace_info"] = new JObject { ["hmac"] = "x" };
        var context = RequestPayload.Read(payload).Request.Context;

        var sent = RequestPayload.Write(new RpcTarget("conductor"), context, "m", [], null);

        foreach (var property in payload.Properties().Where(property => property.Name.StartsWith("_context_", StringComparison.Ordinal)))
        {
            Assert.True(JToken.DeepEquals(property.Value, sent[property.Name]), property.Name);
        }
    }

    [Fact]
    public void ElevatedIsAdminWithTheSameTokenAndLeavesTheOriginal()
    {
        var user = RequestContext.From(new JObject { ["roles"] = new JArray("member"), ["is_admin"] = false, ["auth_token"] = "t" });

        var admin = user.Elevated(readDeleted: "yes");

        Assert.True(admin.IsAdmin);
        Assert.Equal(["member", "admin"], admin.Roles);
        Assert.Equal(("t", "yes"), (admin.AuthToken, admin.ReadDeleted));
        Assert.Equal((false, "no", 1), (user.IsAdmin, user.ReadDeleted, user.Roles.Count));
        Assert.Equal(["member", "admin"], admin.Elevated().Roles);
    }

    [Fact]
    public void AdminContextHasTheKeysAndValuesOfNovas()
    {
        var recorded = RequestPayload.Read(Recorded.Payload("call")).Request.Context.ToJson();

        var ours = RequestContext.CreateAdmin().ToJson();

        Assert.Equal(recorded.Properties().Select(p => p.Name).Order(), ours.Properties().Select(p => p.Name).Order());
        foreach (var name in recorded.Properties().Select(p => p.Name).Except(["request_id", "timestamp"]))
        {
            Assert.True(JToken.DeepEquals(recorded[name], ours[name]), name);
        }

        Assert.Equal(recorded["timestamp"]!.ToString().Length, ours["timestamp"]!.ToString().Length);
    }

    [Fact]
    public void MissingAndNullKeysHaveNovasDefaults()
    {
        var context = RequestContext.From(new JObject { ["is_admin"] = null, ["user"] = "u", ["project"] = "p" });

        Assert.Equal(
            ("u", "p", false, true, "no"), (context.UserId, context.ProjectId, context.IsAdmin, context.IsAdminProject, context.ReadDeleted));
        Assert.Empty(context.Roles);
    }
}
