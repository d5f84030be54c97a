using System.Globalization;
using System.Net;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Http;

namespace NovaLxd.OpenStack.Authentication;

/// <summary>
/// The token of one set of credentials: fetched once for all who wait for it, renewed before it expires, dropped when a service refuses it.
/// </summary>
internal sealed partial class KeystoneSession(KeystoneCredentials credentials, IKeystoneApi api, TimeProvider time, ILogger logger)
{
    /// <summary>A request started just before a renewal must still arrive with a valid token.</summary>
    private static readonly TimeSpan MaxMargin = TimeSpan.FromMinutes(5);

    private readonly Lock gate = new();
    private KeystoneToken? current;
    private Task<KeystoneToken>? fetching;

    /// <summary>A token that is valid for a while.</summary>
    /// <exception cref="AuthenticationFailedException">Keystone refuses the credentials.</exception>
    /// <exception cref="ServiceUnreachableException">Keystone does not answer and there is no token that is still valid.</exception>
    public async ValueTask<KeystoneToken> GetAsync(CancellationToken cancellationToken)
    {
        Task<KeystoneToken> task;
        KeystoneToken? old;
        lock (gate)
        {
            old = current;
            if (old is not null && time.GetUtcNow() < old.ExpiresAt - Margin(old))
                return old;
            // Whoever asks first starts the request; it belongs to nobody, so that one caller's cancellation does not take it from the others.
            if (fetching is null || fetching.IsCompleted)
                fetching = FetchAsync();
            task = fetching;
        }

        try
        {
            return await task.WaitAsync(cancellationToken);
        }
        catch (OpenStackException e) when (old is not null && time.GetUtcNow() < old.ExpiresAt)
        {
            RenewalFailed(credentials.Section, old.ExpiresAt, e.Message);
            return old;
        }
    }

    /// <summary>Forgets a token that a service has refused; one that has been replaced meanwhile stays.</summary>
    public void Invalidate(string token)
    {
        lock (gate)
        {
            if (current?.Value == token)
                current = null;
        }
    }

    private static TimeSpan Margin(KeystoneToken token)
    {
        var tenth = (token.ExpiresAt - token.IssuedAt) / 10;
        return tenth < MaxMargin ? tenth : MaxMargin;
    }

    private async Task<KeystoneToken> FetchAsync()
    {
        await Task.Yield(); // Not under the caller's lock.
        try
        {
            using var response = await api.CreateTokenAsync(AuthRequest.From(credentials), CancellationToken.None);
            if (await ServiceErrors.FromResponseAsync("keystone", response) is OpenStackHttpException failure)
                throw failure;
            var token = await ReadAsync(response);
            lock (gate)
                current = token;
            return token;
        }
        catch (OpenStackHttpException e) when (e.Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
        {
            throw new AuthenticationFailedException(credentials.Section, $"Keystone refuses {credentials}: {e.Detail}", e);
        }
    }

    private static async Task<KeystoneToken> ReadAsync(HttpResponseMessage response)
    {
        var value = response.Headers.TryGetValues("X-Subject-Token", out var values) ? values.FirstOrDefault() : null;
        var json = JsonConvert.DeserializeObject<JObject>(await response.Content.ReadAsStringAsync(), OpenStackJson.Settings);
        if (value is null || json?["token"] is not JObject token)
            throw new OpenStackHttpException("keystone", response.StatusCode, "the answer holds no token: is auth_url Keystone's address?", json?.ToString() ?? "", null);
        return new(
            value,
            Time(token["expires_at"]) ?? DateTimeOffset.MaxValue,
            Time(token["issued_at"]) ?? DateTimeOffset.MinValue,
            (string?)token["user"]?["id"],
            (string?)token["project"]?["id"],
            ServiceCatalog.Parse(token["catalog"] as JArray));
    }

    private static DateTimeOffset? Time(JToken? text) =>
        DateTimeOffset.TryParse((string?)text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var value) ? value : null;

    [LoggerMessage(Level = LogLevel.Warning, Message = "[{Section}] the token could not be renewed and is used until {ExpiresAt:u}: {Reason}")]
    private partial void RenewalFailed(string section, DateTimeOffset expiresAt, string reason);
}
