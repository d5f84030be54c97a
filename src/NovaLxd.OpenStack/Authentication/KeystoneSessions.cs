using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using NovaLxd.OpenStack.Http;
using Refit;

namespace NovaLxd.OpenStack.Authentication;

/// <summary>One <see cref="KeystoneSession"/> for each set of credentials; sections that log in as the same user share it.</summary>
internal sealed class KeystoneSessions(IHttpClientFactory clients, TimeProvider time, ILogger<KeystoneSession> logger)
{
    private readonly ConcurrentDictionary<KeystoneCredentials, KeystoneSession> sessions = new();

    /// <summary>The name of the HTTP client that carries the section's TLS options to Keystone.</summary>
    public static string ClientName(string section) => "keystone of " + section;

    public KeystoneSession? For(ServiceSection section) =>
        section.Credentials is { } credentials ? sessions.GetOrAdd(credentials with { Section = "" }, _ => Create(section.Name, credentials)) : null;

    private KeystoneSession Create(string section, KeystoneCredentials credentials)
    {
        var client = clients.CreateClient(ClientName(section));
        var url = credentials.AuthUrl.AbsoluteUri.TrimEnd('/');
        client.BaseAddress = new Uri(url.EndsWith("/v3", StringComparison.Ordinal) ? url : url + "/v3");
        var api = RestService.ForGenerated<IKeystoneApi>(client, ServiceErrors.Settings("keystone"));
        return new KeystoneSession(credentials, api, time, logger);
    }
}
