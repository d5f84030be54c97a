using NovaLxd.OpenStack.Authentication;

namespace NovaLxd.OpenStack;

/// <summary>Reads one option of nova.conf, null when it is not set. The service passes its oslo.config reader.</summary>
public delegate string? OptionReader(string section, string option);

/// <summary>One of nova.conf's sections with keystoneauth options: how to log in, and how to find and call the service.</summary>
public sealed record ServiceSection(string Name, KeystoneCredentials? Credentials, AdapterOptions Adapter);

/// <summary>
/// Everything this library reads from nova.conf: the authentication and adapter options of [placement] [neutron] [glance] [cinder]
/// [service_user] and [vendordata_dynamic_auth] (keystoneauth1 loading/conf.py, adapter.py, session.py; nova/conf/{placement,neutron,glance,cinder,service_token}.py).
/// </summary>
public sealed record OpenStackOptions
{
    public required ServiceSection Placement { get; init; }
    public required ServiceSection Neutron { get; init; }
    public required ServiceSection Glance { get; init; }
    public required ServiceSection Cinder { get; init; }

    /// <summary>[service_user]: used for X-Service-Token only.</summary>
    public required ServiceSection ServiceUser { get; init; }

    /// <summary>[vendordata_dynamic_auth]: the login whose token goes to the operator's own services.</summary>
    public required ServiceSection VendorData { get; init; }

    /// <summary>[api] vendordata_dynamic_connect_timeout.</summary>
    public TimeSpan VendorDataConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>[api] vendordata_dynamic_read_timeout.</summary>
    public TimeSpan VendorDataReadTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>[api] vendordata_dynamic_ssl_certfile: authorities of the operator's own services; null: the host's.</summary>
    public string? VendorDataCaFile { get; init; }

    /// <summary>[service_user] send_service_user_token.</summary>
    public bool SendServiceUserToken { get; init; }

    /// <summary>[glance] api_servers: tried in random order, the next one after each failure. Empty: the catalog.</summary>
    public IReadOnlyList<Uri> GlanceApiServers { get; init; } = [];

    /// <summary>[cinder] endpoint_template, with <c>%(project_id)s</c> in it; null: the catalog.</summary>
    public string? CinderEndpointTemplate { get; init; }

    /// <summary>[neutron] extension_sync_interval: how long the list of extensions is believed.</summary>
    public TimeSpan NeutronExtensionSyncInterval { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>[compute] resource_provider_association_refresh; zero: read once, never again.</summary>
    public TimeSpan ProviderAssociationRefresh { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>[compute] sharing_providers_max_uuids_per_request.</summary>
    public int SharingProvidersMaxUuidsPerRequest { get; init; } = 200;

    /// <summary>Unit of the random pause after a Placement conflict: the n-th repetition waits between 0 and n times this (Nova: 2 s).</summary>
    public TimeSpan ConflictPause { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Goes out as User-Agent.</summary>
    public string UserAgent { get; init; } = "novalxd";

    /// <summary>Reads all sections. Faults are collected in <paramref name="faults"/>, one sentence each, naming section and option.</summary>
    public static OpenStackOptions Read(OptionReader read, ICollection<string> faults)
    {
        var reader = new SectionReader(read, faults);
        return new OpenStackOptions
        {
            Placement = Section("placement", "placement", "connect_retries", ["internal", "public"]),
            Neutron = Section("neutron", "network", "http_retries", ["internal", "public"]),
            Glance = Section("glance", "image", "num_retries", ["internal", "public"]),
            Cinder = ReadCinder(reader),
            ServiceUser = Section("service_user", "identity", "connect_retries", ["internal", "public"]),
            VendorData = Section("vendordata_dynamic_auth", "identity", "connect_retries", ["internal", "public"]),
            VendorDataConnectTimeout = reader.Seconds("api", "vendordata_dynamic_connect_timeout", 5),
            VendorDataReadTimeout = reader.Seconds("api", "vendordata_dynamic_read_timeout", 5),
            VendorDataCaFile = ReadableFile(reader, "api", "vendordata_dynamic_ssl_certfile"),
            SendServiceUserToken = reader.Bool("service_user", "send_service_user_token", false),
            GlanceApiServers = [.. reader.List("glance", "api_servers", []).Select(s => reader.Url("glance", "api_servers", s)).OfType<Uri>()],
            CinderEndpointTemplate = reader.Text("cinder", "endpoint_template"),
            NeutronExtensionSyncInterval = reader.Seconds("neutron", "extension_sync_interval", 600),
            ProviderAssociationRefresh = reader.Seconds("compute", "resource_provider_association_refresh", 300),
            SharingProvidersMaxUuidsPerRequest = reader.Int("compute", "sharing_providers_max_uuids_per_request", 200),
        };

        ServiceSection Section(string name, string serviceType, string retriesOption, string[] interfaces) =>
            new(name, KeystoneCredentials.Read(reader, name), AdapterOptions.Read(reader, name, serviceType, retriesOption, interfaces));
    }

    private static string? ReadableFile(SectionReader reader, string section, string option)
    {
        var path = reader.Text(section, option);
        if (path is not null && !File.Exists(path))
            reader.Fault(section, option, $"'{path}' does not exist or may not be read");
        return path;
    }

    /// <summary>[cinder] says type and interface in one option: <c>catalog_info = type:name:interfaceURL</c>.</summary>
    private static ServiceSection ReadCinder(SectionReader reader)
    {
        var info = (reader.Text("cinder", "catalog_info") ?? "volumev3::publicURL").Split(':');
        if (info.Length != 3)
        {
            reader.Fault("cinder", "catalog_info", "must be service_type:service_name:interface, for instance volumev3::publicURL");
            info = ["volumev3", "", "publicURL"];
        }

        var adapter = AdapterOptions.Read(reader, "cinder", info[0], "http_retries", [info[2]]);
        return new("cinder", KeystoneCredentials.Read(reader, "cinder"), adapter with { RegionName = reader.Text("cinder", "os_region_name") ?? adapter.RegionName });
    }
}
