using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Newtonsoft.Json.Linq;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.TestCloud.Keystone;

/// <summary>What the fakes know of a token. <paramref name="Expires"/> is Keystone's claim; <see cref="FakeKeystone.Revoke"/> ends it earlier.</summary>
public sealed record IssuedToken(string Value, string UserName, string UserId, string ProjectName, string ProjectId, IReadOnlyList<string> Roles, DateTimeOffset Expires)
{
    public bool IsAdmin => Roles.Contains("admin");
}

/// <summary>
/// Identity API v3: users with passwords and application credentials, tokens with a catalog. The other fakes ask it whether a token is good.
/// </summary>
public sealed class FakeKeystone(TimeProvider? time = null) : FakeService("keystone")
{
    private readonly TimeProvider time = time ?? TimeProvider.System;
    private readonly ConcurrentDictionary<string, IssuedToken> tokens = new();
    private readonly Dictionary<string, (string Password, string[] Roles)> users = [];
    private readonly Dictionary<string, (string Secret, string User)> applicationCredentials = [];
    private readonly List<JObject> catalog = [];
    private int issued;

    /// <summary>How long new tokens live.</summary>
    public TimeSpan TokenLifetime { get; set; } = TimeSpan.FromHours(24);

    /// <summary>How many tokens were given out.</summary>
    public int TokensIssued => Volatile.Read(ref issued);

    public string AuthUrl => Url + "/v3";

    public void AddUser(string name, string password, params string[] roles)
    {
        lock (State)
            users[name] = (password, roles.Length > 0 ? roles : ["admin", "service", "member", "reader"]);
    }

    public void AddApplicationCredential(string id, string secret, string user)
    {
        lock (State)
            applicationCredentials[id] = (secret, user);
    }

    /// <summary>Puts a service into the catalog with the same address for all three interfaces.</summary>
    public void AddService(string type, string name, string url, string region = "RegionOne") =>
        AddEndpoints(type, name, region, ("public", url), ("internal", url), ("admin", url));

    public void AddEndpoints(string type, string name, string region, params (string Interface, string Url)[] endpoints)
    {
        lock (State)
        {
            catalog.Add(new JObject
            {
                ["type"] = type,
                ["name"] = name,
                ["id"] = Guid.NewGuid().ToString("N"),
                ["endpoints"] = new JArray(endpoints.Select(e => new JObject
                {
                    ["id"] = Guid.NewGuid().ToString("N"),
                    ["interface"] = e.Interface,
                    ["region"] = region,
                    ["region_id"] = region,
                    ["url"] = e.Url,
                })),
            });
        }
    }

    /// <summary>A token as the API would have put it into a request's context.</summary>
    public IssuedToken IssueToken(string userName, string projectName, params string[] roles) =>
        Issue(userName, projectName, roles.Length > 0 ? roles : ["member", "reader"]);

    /// <summary>The token is refused from now on although it has not expired.</summary>
    public void Revoke(string token) => tokens.TryRemove(token, out _);

    public void RevokeAll() => tokens.Clear();

    /// <summary>
    /// The middleware of the other services: null for a token that is unknown, revoked or expired. As keystonemiddleware does, an expired
    /// user token passes beside a valid service token.
    /// </summary>
    public IssuedToken? Validate(string? token, string? serviceToken = null)
    {
        if (token is null || !tokens.TryGetValue(token, out var found))
            return null;
        if (found.Expires > time.GetUtcNow())
            return found;
        return serviceToken is not null && Validate(serviceToken) is { } service && service.Roles.Contains("service") ? found : null;
    }

    /// <summary>Project ids are made from names, so that tests can name them.</summary>
    public static string IdOf(string name) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(name)))[..32];

    protected override string ErrorBody(HttpContext context, int status, string message, string code) => new JObject
    {
        ["error"] = new JObject { ["code"] = status, ["message"] = message, ["title"] = status == 401 ? "Unauthorized" : "Error" },
    }.ToString();

    protected override void Map(IEndpointRouteBuilder routes)
    {
        Route(routes, "GET", "/v3", _ => (200, new JObject
        {
            ["version"] = new JObject
            {
                ["id"] = "v3.14",
                ["status"] = "stable",
                ["links"] = new JArray(new JObject { ["rel"] = "self", ["href"] = AuthUrl + "/" }),
            },
        }));
        Route(routes, "POST", "/v3/auth/tokens", CreateToken);
    }

    private (int Status, JToken? Body) CreateToken(FakeRequest request)
    {
        if (request.Json["auth"] is not JObject auth || auth["identity"] is not JObject identity)
            throw new ServiceFailureException(400, "'auth' is a required property");
        var user = Authenticate(identity);
        var project = (string?)auth["scope"]?["project"]?["name"] ?? "service";
        var token = Issue(user, project, users[user].Roles);
        request.Context.Response.Headers["X-Subject-Token"] = token.Value;
        return (201, new JObject
        {
            ["token"] = new JObject
            {
                ["methods"] = identity["methods"]!.DeepClone(),
                ["user"] = new JObject { ["id"] = token.UserId, ["name"] = user, ["domain"] = Domain() },
                ["project"] = new JObject { ["id"] = token.ProjectId, ["name"] = project, ["domain"] = Domain() },
                ["roles"] = new JArray(token.Roles.Select(r => new JObject { ["id"] = IdOf(r), ["name"] = r })),
                ["expires_at"] = Timestamp(token.Expires),
                ["issued_at"] = Timestamp(time.GetUtcNow()),
                ["catalog"] = new JArray(catalog.Select(c => Filled(c, token.ProjectId))),
            },
        });
    }

    private string Authenticate(JObject identity)
    {
        switch ((string?)identity["methods"]?[0])
        {
            case "password":
                var asked = identity["password"]?["user"];
                var name = (string?)asked?["name"] ?? users.Keys.FirstOrDefault(u => IdOf(u) == (string?)asked?["id"]) ?? "";
                if (asked?["id"] is null && asked?["domain"] is null)
                    throw new ServiceFailureException(400, "Expecting to find domain in user.");
                if (users.TryGetValue(name, out var known) && known.Password == (string?)asked?["password"])
                    return name;
                break;
            case "application_credential":
                var credential = identity["application_credential"];
                if (credential?["id"] is { } id && applicationCredentials.TryGetValue((string)id!, out var stored) && stored.Secret == (string?)credential["secret"])
                    return stored.User;
                break;
        }

        throw new ServiceFailureException(401, "The request you have made requires authentication.");
    }

    private IssuedToken Issue(string user, string project, IReadOnlyList<string> roles)
    {
        Interlocked.Increment(ref issued);
        var token = new IssuedToken("gAAAAA" + Guid.NewGuid().ToString("N"), user, IdOf(user), project, IdOf(project), roles, time.GetUtcNow() + TokenLifetime);
        tokens[token.Value] = token;
        return token;
    }

    private static JObject Filled(JObject service, string projectId)
    {
        var copy = (JObject)service.DeepClone();
        foreach (var endpoint in copy["endpoints"]!)
            endpoint["url"] = ((string)endpoint["url"]!).Replace("%(project_id)s", projectId, StringComparison.Ordinal);
        return copy;
    }

    private static JObject Domain() => new() { ["id"] = "default", ["name"] = "Default" };

    private static string Timestamp(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);
}
