using System.ComponentModel.DataAnnotations;

namespace NovaLxd.Transfer;

/// <summary>[lxd]: the channel by which containers move between compute hosts. It is open when certificate, key and CA are given.</summary>
internal sealed record TransferOptions
{
    /// <summary>File of this host's certificate (PEM), by which it shows itself to other compute hosts when servers are migrated and resized between
    /// them. Its subject alternative names have this host's name (host) among them as a DNS name. Read again when it changes.</summary>
    public string? TransferCertificate { get; init; }

    /// <summary>File of the certificate's private key (PEM, not encrypted).</summary>
    public string? TransferKey { get; init; }

    /// <summary>File of the CA certificates (PEM) that sign the certificates of compute hosts, and nothing else.</summary>
    public string? TransferCa { get; init; }

    /// <summary>Address at which servers from other compute hosts are taken. Default: my_ip.</summary>
    public string? TransferAddress { get; init; }

    /// <summary>TCP port of the same, on all compute hosts.</summary>
    [Range(1, 65535)]
    public int TransferPort { get; init; } = 9106;

    /// <summary>How many servers may leave this host at the same time, and how many may arrive.</summary>
    [Range(1, 100)]
    public int TransferLimit { get; init; } = 2;

    /// <summary>Seconds that a broken transfer is tried again without progress before the migration is given up.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan TransferRetryTime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Whether servers can be moved to and from this host.</summary>
    internal bool IsOpen => Given().All(given => given);

    /// <summary>Whether some of what it takes is there and some is missing.</summary>
    internal bool IsPartial => !IsOpen && Given().Any(given => given);

    private IEnumerable<bool> Given() => new[] { TransferCertificate, TransferKey, TransferCa }.Select(value => !string.IsNullOrEmpty(value));
}
