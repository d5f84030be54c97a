using NovaLxd.OpenStack;

namespace NovaLxd.Configuration;

/// <summary>
/// How another service is logged in to and found: keystoneauth's options, which the OpenStack library reads itself (<see cref="OpenStackOptions.Read"/>).
/// They stand here for the sample file; a test compares the two.
/// </summary>
internal record ClientSection
{
    /// <summary>password, v3password or v3applicationcredential.</summary>
    public string? AuthType { get; init; }

    /// <summary>Another section that holds the login.</summary>
    public string? AuthSection { get; init; }

    /// <summary>Address of Keystone, with or without /v3.</summary>
    public string? AuthUrl { get; init; }

    /// <summary>User by name.</summary>
    public string? Username { get; init; }

    /// <summary>User by id.</summary>
    public string? UserId { get; init; }

    /// <summary>The user's password.</summary>
    public string? Password { get; init; }

    /// <summary>Domain of the user, by name.</summary>
    public string? UserDomainName { get; init; }

    /// <summary>Domain of the user, by id.</summary>
    public string? UserDomainId { get; init; }

    /// <summary>Project to act in, by name.</summary>
    public string? ProjectName { get; init; }

    /// <summary>Project to act in, by id.</summary>
    public string? ProjectId { get; init; }

    /// <summary>Domain of the project, by name.</summary>
    public string? ProjectDomainName { get; init; }

    /// <summary>Domain of the project, by id.</summary>
    public string? ProjectDomainId { get; init; }

    /// <summary>Domain of user and project where they name none, by name.</summary>
    public string? DefaultDomainName { get; init; }

    /// <summary>Domain of user and project where they name none, by id.</summary>
    public string? DefaultDomainId { get; init; }

    /// <summary>Domain to act in instead of a project, by name.</summary>
    public string? DomainName { get; init; }

    /// <summary>Domain to act in instead of a project, by id.</summary>
    public string? DomainId { get; init; }

    /// <summary>"all" to act on the whole system instead of a project.</summary>
    public string? SystemScope { get; init; }

    /// <summary>Trust to act by.</summary>
    public string? TrustId { get; init; }

    /// <summary>Application credential, by id.</summary>
    public string? ApplicationCredentialId { get; init; }

    /// <summary>Application credential, by name; then its user is needed too.</summary>
    public string? ApplicationCredentialName { get; init; }

    /// <summary>Secret of the application credential.</summary>
    public string? ApplicationCredentialSecret { get; init; }

    /// <summary>Type of the service in Keystone's catalog. Default: the usual one of the service.</summary>
    public string? ServiceType { get; init; }

    /// <summary>Name of the service in the catalog, where several have the type.</summary>
    public string? ServiceName { get; init; }

    /// <summary>Region whose endpoint is used.</summary>
    public string? RegionName { get; init; }

    /// <summary>Interfaces by preference.</summary>
    public IReadOnlyList<string> ValidInterfaces { get; init; } = ["internal", "public"];

    /// <summary>Address of the service instead of the catalog's.</summary>
    public string? EndpointOverride { get; init; }

    /// <summary>Seconds before the first repetition of a request; each next one waits longer.</summary>
    public double ConnectRetryDelay { get; init; } = 0.5;

    /// <summary>Seconds one attempt may take.</summary>
    public double Timeout { get; init; } = 60;

    /// <summary>Certificates of the authorities that are trusted (PEM).</summary>
    [Option("cafile")]
    public string? CaFile { get; init; }

    /// <summary>Certificate shown to the service (PEM).</summary>
    [Option("certfile")]
    public string? CertFile { get; init; }

    /// <summary>Key of certfile (PEM).</summary>
    [Option("keyfile")]
    public string? KeyFile { get; init; }

    /// <summary>Whether the service's certificate is taken unseen.</summary>
    public bool Insecure { get; init; }
}

/// <summary>[placement] (nova/conf/placement.py).</summary>
internal sealed record PlacementSection : ClientSection
{
    /// <summary>How often a request is repeated.</summary>
    public int ConnectRetries { get; init; } = 3;
}

/// <summary>[neutron] (nova/conf/neutron.py).</summary>
internal sealed record NeutronSection : ClientSection
{
    /// <summary>How often a request is repeated.</summary>
    public int HttpRetries { get; init; } = 3;
}

/// <summary>[glance] (nova/conf/glance.py).</summary>
internal sealed record GlanceSection : ClientSection
{
    /// <summary>How often a request is repeated.</summary>
    public int NumRetries { get; init; } = 3;

    /// <summary>Addresses of Glance instead of the catalog's, tried in turn.</summary>
    public IReadOnlyList<string> ApiServers { get; init; } = [];
}

/// <summary>[cinder] (nova/conf/cinder.py).</summary>
internal sealed record CinderSection : ClientSection
{
    /// <summary>How often a request is repeated.</summary>
    public int HttpRetries { get; init; } = 3;

    /// <summary>Where Cinder stands in the catalog: type:name:interface.</summary>
    public string CatalogInfo { get; init; } = "volumev3::publicURL";

    /// <summary>Address instead of the catalog's, with %(project_id)s in it.</summary>
    public string? EndpointTemplate { get; init; }

    /// <summary>Region of Cinder; wins over region_name.</summary>
    public string? OsRegionName { get; init; }
}

/// <summary>[service_user] (nova/conf/service_token.py).</summary>
internal sealed record ServiceUserSection : ClientSection
{
    /// <summary>How often a request is repeated.</summary>
    public int ConnectRetries { get; init; } = 3;

    /// <summary>Whether a token of this service goes along with the user's, so that long work outlives the user's token.</summary>
    public bool SendServiceUserToken { get; init; }
}

/// <summary>[vendordata_dynamic_auth] (nova/conf/vendordata.py): the login whose token goes along to vendordata_dynamic_targets.</summary>
internal sealed record VendordataAuthSection : ClientSection
{
    /// <summary>How often Keystone is asked again.</summary>
    public int ConnectRetries { get; init; } = 3;
}
