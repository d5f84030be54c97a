namespace NovaLxd.OpenStack.Authentication;

/// <summary>
/// How to find and call a service: keystoneauth's adapter options (service_type, region_name, valid_interfaces, endpoint_override ...)
/// and session options (cafile, certfile, keyfile, insecure, timeout) of one section.
/// </summary>
public sealed record AdapterOptions
{
    public required string ServiceType { get; init; }
    public string? ServiceName { get; init; }
    public string? RegionName { get; init; }

    /// <summary>In order of preference; "internal" and "internalURL" are the same.</summary>
    public IReadOnlyList<string> ValidInterfaces { get; init; } = ["internal", "public"];

    /// <summary>Wins over the catalog.</summary>
    public Uri? EndpointOverride { get; init; }

    /// <summary>How often a request is repeated, after the first time, when it is safe to.</summary>
    public int Retries { get; init; } = 3;

    /// <summary>The pause before the first repetition; it grows exponentially and is jittered.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Limit of one attempt, headers and body (image data excepted).</summary>
    public TimeSpan AttemptTimeout { get; init; } = TimeSpan.FromSeconds(60);

    public string? CaFile { get; init; }
    public string? CertFile { get; init; }

    /// <summary>The private key of <see cref="CertFile"/>; null: it stands in the same file.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Do not check the server's certificate.</summary>
    public bool Insecure { get; init; }

    internal static AdapterOptions Read(SectionReader reader, string section, string serviceType, string retriesOption, IReadOnlyList<string> interfaces) => new()
    {
        ServiceType = reader.Text(section, "service_type") ?? serviceType,
        ServiceName = reader.Text(section, "service_name"),
        RegionName = reader.Text(section, "region_name"),
        ValidInterfaces = reader.List(section, "valid_interfaces", interfaces),
        EndpointOverride = reader.Url(section, "endpoint_override", reader.Text(section, "endpoint_override")),
        Retries = reader.Int(section, retriesOption, 3),
        RetryDelay = reader.Seconds(section, "connect_retry_delay", 0.5),
        AttemptTimeout = reader.Seconds(section, "timeout", 60) is { Ticks: > 0 } timeout ? timeout : TimeSpan.FromSeconds(60),
        CaFile = Readable("cafile", reader, section),
        CertFile = Readable("certfile", reader, section),
        KeyFile = Readable("keyfile", reader, section),
        Insecure = reader.Bool(section, "insecure", false),
    };

    private static string? Readable(string option, SectionReader reader, string section)
    {
        var path = reader.Text(section, option);
        if (path is not null && !File.Exists(path))
            reader.Fault(section, option, $"'{path}' does not exist or may not be read");
        return path;
    }
}
