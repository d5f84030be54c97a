using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using Refit;

namespace NovaLxd.OpenStack.Authentication;

/// <summary>Identity API v3; the base address ends in /v3.</summary>
internal interface IKeystoneApi
{
    /// <summary>The token itself is in the header X-Subject-Token.</summary>
    [Post("/auth/tokens")]
    Task<HttpResponseMessage> CreateTokenAsync([Body] AuthRequest request, CancellationToken cancellationToken);
}

internal sealed record AuthRequest(AuthRequest.AuthBody Auth)
{
    internal sealed record AuthBody(IdentityBody Identity, object? Scope);

    internal sealed record IdentityBody(IReadOnlyList<string> Methods)
    {
        public PasswordBody? Password { get; init; }
        public ApplicationCredentialBody? ApplicationCredential { get; init; }
    }

    internal sealed record PasswordBody(UserBody User);

    internal sealed record UserBody
    {
        public string? Password { get; init; }
        public string? Id { get; init; }
        public string? Name { get; init; }
        public DomainBody? Domain { get; init; }
    }

    internal sealed record ApplicationCredentialBody
    {
        public string? Id { get; init; }
        public string? Name { get; init; }
        public string? Secret { get; init; }
        public UserBody? User { get; init; }
    }

    internal sealed record DomainBody(string? Id, string? Name);

    internal sealed record ProjectScope(ProjectBody Project);

    internal sealed record ProjectBody(string? Id, string? Name, DomainBody? Domain);

    internal sealed record DomainScope(DomainBody Domain);

    internal sealed record SystemScope(JObject System);

    internal sealed record TrustScope([property: JsonProperty("OS-TRUST:trust")] TrustBody Trust);

    internal sealed record TrustBody(string Id);

    public static AuthRequest From(KeystoneCredentials credentials) => credentials.Method switch
    {
        // An application credential brings its own scope; Keystone refuses a second one.
        KeystoneAuthMethod.ApplicationCredential => new(new AuthBody(
            new(["application_credential"])
            {
                ApplicationCredential = new()
                {
                    Id = credentials.ApplicationCredential?.Id,
                    Name = credentials.ApplicationCredential is { Id: null, Name: var name } ? name : null,
                    Secret = credentials.ApplicationCredentialSecret,
                    User = credentials.ApplicationCredential is { Id: null } ? User(credentials, password: null) : null,
                },
            },
            null)),
        _ => new(new AuthBody(new(["password"]) { Password = new(User(credentials, credentials.Password)) }, Scope(credentials))),
    };

    private static UserBody User(KeystoneCredentials credentials, string? password) => credentials.User is { Id: { } id }
        ? new() { Password = password, Id = id }
        : new() { Password = password, Name = credentials.User?.Name, Domain = Domain(credentials.UserDomain) };

    private static object? Scope(KeystoneCredentials credentials) => credentials switch
    {
        { TrustId: { } trust } => new TrustScope(new(trust)),
        { SystemScope: { } system } => new SystemScope(new JObject { [system] = true }),
        { Project.Id: { } id } => new ProjectScope(new(id, null, null)),
        { Project.Name: { } name } => new ProjectScope(new(null, name, Domain(credentials.ProjectDomain))),
        { Domain: { } domain } => new DomainScope(Domain(domain)!),
        _ => null,
    };

    private static DomainBody? Domain(Reference? domain) =>
        domain is null ? null : domain.Id is { } id ? new(id, null) : new(null, domain.Name);
}
