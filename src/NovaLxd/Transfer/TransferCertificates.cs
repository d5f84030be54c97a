using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using NovaLxd.Configuration;

namespace NovaLxd.Transfer;

/// <summary>
/// Who may talk: hosts whose certificate the configured CA has signed, for both ends of a connection, and that is valid now. Which host a certificate stands for
/// is told by the DNS names in it, compared letter by letter: no wildcard stands for a host.
/// </summary>
internal sealed class TransferCertificates(TransferOptions options)
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private readonly Lock _lock = new();
    private Loaded? _loaded;

    /// <exception cref="ConfigurationException">A file is missing or is not what it should be.</exception>
    public void Check() => Load();

    public SslServerAuthenticationOptions ForServer(Action<string> refused) => new()
    {
        ServerCertificateContext = Load().Own,
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls13,
        AllowRenegotiation = false,
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            var fault = FindFault(certificate as X509Certificate2, ClientUse);
            if (fault is not null)
            {
                refused(fault);
            }

            return fault is null;
        },
    };

    /// <param name="host">Whose certificate the other side has to show.</param>
    /// <param name="refused">Told why not.</param>
    public SslClientAuthenticationOptions ForClient(string host, Action<string> refused) => new()
    {
        ClientCertificateContext = Load().Own,
        EnabledSslProtocols = SslProtocols.Tls13,
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            var fault = FindFault(certificate as X509Certificate2, ServerUse)
                ?? (NamesOf((X509Certificate2)certificate!) is var names && IsNamed(names, host) ? null
                    : $"its certificate is that of {Text(names)}, not of {host}");
            if (fault is not null)
            {
                refused(fault);
            }

            return fault is null;
        },
    };

    public static bool IsNamed(IEnumerable<string> names, string host) => names.Contains(host, StringComparer.OrdinalIgnoreCase);

    /// <summary>The hosts a certificate stands for.</summary>
    public static IReadOnlyList<string> NamesOf(X509Certificate2 certificate) =>
        [.. certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(e => e.EnumerateDnsNames())];

    public static string Text(IReadOnlyList<string> names) => names.Count == 0 ? "nobody (it has no DNS name)" : string.Join(", ", names);

    private string? FindFault(X509Certificate2? certificate, string use)
    {
        if (certificate is null)
        {
            return "it shows no certificate";
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(Load().Authorities);
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(use));
        return chain.Build(certificate)
            ? null
            : $"its certificate ({certificate.Subject}, valid until {certificate.NotAfter.ToUniversalTime():u}) is not accepted: "
                + string.Join("; ", chain.ChainStatus.Select(s => s.StatusInformation.Trim()).Distinct());
    }

    /// <summary>Certificates are renewed while the service runs. Files that cannot be read just then leave the old ones in use.</summary>
    private Loaded Load()
    {
        lock (_lock)
        {
            if (_loaded is { } old)
            {
                try
                {
                    return Stamp() == old.Stamp ? old : _loaded = Read();
                }
                catch (ConfigurationException)
                {
                    return old;
                }
            }

            return _loaded = Read();
        }
    }

    private Loaded Read()
    {
        var (stamp, file) = (Stamp(), options.TransferCertificate!);
        try
        {
            var own = X509Certificate2.CreateFromPemFile(file, options.TransferKey);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(file);
            chain.RemoveAt(0);
            file = options.TransferCa!;
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(file);
            return authorities.Count > 0
                ? new Loaded(stamp, SslStreamCertificateContext.Create(own, chain, offline: true), authorities)
                : throw new CryptographicException("there is no certificate in it");
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ConfigurationException($"[lxd] transfer_certificate, transfer_key and transfer_ca: {file} cannot be used: {e.Message}");
        }
    }

    private string Stamp() => string.Join(
        '|', new[] { options.TransferCertificate, options.TransferKey, options.TransferCa }.Select(f => File.GetLastWriteTimeUtc(f!).Ticks));

    private sealed record Loaded(string Stamp, SslStreamCertificateContext Own, X509Certificate2Collection Authorities);
}
