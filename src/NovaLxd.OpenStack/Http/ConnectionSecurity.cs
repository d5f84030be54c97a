using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using NovaLxd.OpenStack.Authentication;

namespace NovaLxd.OpenStack.Http;

/// <summary>Sockets and TLS of one section: cafile, certfile, keyfile, insecure.</summary>
internal static class ConnectionSecurity
{
    /// <exception cref="InvalidOperationException">A certificate or key file cannot be used; the message names option and file.</exception>
    public static SocketsHttpHandler CreateHandler(string section, AdapterOptions adapter)
    {
        var handler = new SocketsHttpHandler
        {
            // Addresses behind a name change (keepalived, rolling upgrades): a connection is given up in time to notice.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            ConnectTimeout = TimeSpan.FromSeconds(10),
            AllowAutoRedirect = false,
            UseCookies = false,
            // Inside a cloud nobody wants http_proxy of some shell to be used for the control plane.
            UseProxy = false,
        };
        var tls = handler.SslOptions;
        if (adapter.CertFile is { } certificate)
            tls.ClientCertificates = [Load(section, "certfile", certificate, () => X509Certificate2.CreateFromPemFile(certificate, adapter.KeyFile))];
        if (adapter.Insecure)
        {
#pragma warning disable CA5359 // The operator asked for it: [section] insecure = true.
            tls.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (adapter.CaFile is { } file)
        {
            var roots = new X509Certificate2Collection();
            Load(section, "cafile", file, () =>
            {
                roots.ImportFromPemFile(file);
                return roots.Count;
            });
            if (roots.Count == 0)
                throw new InvalidOperationException($"[{section}] cafile '{file}' holds no certificate in PEM form");
            tls.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            tls.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }

        return handler;
    }

    private static T Load<T>(string section, string option, string file, Func<T> load)
    {
        try
        {
            return load();
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"[{section}] {option} '{file}' cannot be used: {e.Message}", e);
        }
    }
}
