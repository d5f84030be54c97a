namespace NovaLxd.OpenStack.Authentication;

/// <summary>A name or an id; Keystone takes either, and a name only together with a domain (users, projects).</summary>
public sealed record Reference(string? Id, string? Name)
{
    internal static Reference? From(string? id, string? name) => id is null && name is null ? null : new(id, name);
}

public enum KeystoneAuthMethod { Password, ApplicationCredential }

/// <summary>
/// How to get a token: the options of keystoneauth's loaders <c>password</c>, <c>v3password</c> and <c>v3applicationcredential</c>
/// (keystoneauth1/loading/_plugins/identity/{generic,v3}.py). Equal records share one token.
/// </summary>
public sealed record KeystoneCredentials
{
    /// <summary>The section the credentials came from, for messages.</summary>
    public required string Section { get; init; }

    public KeystoneAuthMethod Method { get; init; } = KeystoneAuthMethod.Password;

    /// <summary>With or without /v3.</summary>
    public required Uri AuthUrl { get; init; }

    public Reference? User { get; init; }
    public Reference? UserDomain { get; init; }
    public string? Password { get; init; }

    public Reference? Project { get; init; }
    public Reference? ProjectDomain { get; init; }
    public Reference? Domain { get; init; }

    /// <summary>"all" is the one value Keystone knows.</summary>
    public string? SystemScope { get; init; }

    public string? TrustId { get; init; }

    public Reference? ApplicationCredential { get; init; }
    public string? ApplicationCredentialSecret { get; init; }

    /// <summary>Reads the credentials of <paramref name="section"/>, or of the section its <c>auth_section</c> names; null when it has none.</summary>
    internal static KeystoneCredentials? Read(SectionReader reader, string section)
    {
        var source = reader.Text(section, "auth_section") ?? section;
        // keystoneauth loads nothing without auth_type; auth_plugin is its old name.
        var type = Option("auth_type") ?? Option("auth_plugin");
        if (type is null)
            return null;
        if (type is not ("password" or "v3password" or "v3applicationcredential"))
        {
            reader.Fault(source, "auth_type", $"'{type}' is not supported: use password, v3password or v3applicationcredential");
            return null;
        }

        if (reader.Url(source, "auth_url", Option("auth_url")) is not { } authUrl)
        {
            if (Option("auth_url") is null)
                reader.Fault(source, "auth_url", "is missing: the address of Keystone, for instance http://controller:5000/v3");
            return null;
        }

        var defaultDomain = Reference.From(Option("default_domain_id"), Option("default_domain_name"));
        var credentials = new KeystoneCredentials
        {
            Section = source,
            Method = type == "v3applicationcredential" ? KeystoneAuthMethod.ApplicationCredential : KeystoneAuthMethod.Password,
            AuthUrl = authUrl,
            User = Reference.From(Option("user_id"), Option("username") ?? Option("user_name")),
            UserDomain = Reference.From(Option("user_domain_id"), Option("user_domain_name")) ?? defaultDomain,
            Password = Option("password"),
            Project = Reference.From(Option("project_id") ?? Option("tenant_id"), Option("project_name") ?? Option("tenant_name")),
            ProjectDomain = Reference.From(Option("project_domain_id"), Option("project_domain_name")) ?? defaultDomain,
            Domain = Reference.From(Option("domain_id"), Option("domain_name")),
            SystemScope = Option("system_scope"),
            TrustId = Option("trust_id"),
            ApplicationCredential = Reference.From(Option("application_credential_id"), Option("application_credential_name")),
            ApplicationCredentialSecret = Option("application_credential_secret"),
        };
        credentials.Validate(reader);
        return credentials;

        string? Option(string name) => reader.Text(source, name);
    }

    private void Validate(SectionReader reader)
    {
        if (Method == KeystoneAuthMethod.ApplicationCredential)
        {
            if (ApplicationCredential is null)
                reader.Fault(Section, "application_credential_id", "is missing (or application_credential_name with a user)");
            else if (ApplicationCredential.Id is null && User is null)
                reader.Fault(Section, "username", "is missing: an application credential given by name belongs to a user");
            if (ApplicationCredentialSecret is null)
                reader.Fault(Section, "application_credential_secret", "is missing");
        }
        else
        {
            if (User is null)
                reader.Fault(Section, "username", "is missing");
            if (Password is null)
                reader.Fault(Section, "password", "is missing");
        }

        if (User is { Id: null } && UserDomain is null && Method == KeystoneAuthMethod.Password)
            reader.Fault(Section, "user_domain_name", "is missing: a user given by name is looked up in a domain");
        if (Project is { Id: null } && ProjectDomain is null)
            reader.Fault(Section, "project_domain_name", "is missing: a project given by name is looked up in a domain");
    }

    /// <summary>Never prints password or secret.</summary>
    public override string ToString() =>
        $"[{Section}] {(ApplicationCredential is { } credential ? "application credential " + (credential.Name ?? credential.Id) : User?.Name ?? User?.Id)} at {AuthUrl}";
}
