using System.Net.Http.Headers;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.OpenStack.VendorData;

/// <summary>
/// Asks the operator's own REST services for what instances are to be told (nova/api/metadata/vendordata_dynamic.py). With the token of [vendordata_dynamic_auth],
/// where that has a login, or without any. Once: an instance waits for it.
/// </summary>
public sealed class VendorDataClient(IHttpClientFactory clients, OpenStackOptions options)
{
    internal const string ClientName = "vendordata";

    /// <returns>What the service said; an empty object when that was nothing.</returns>
    /// <exception cref="OpenStackException">It cannot be reached, refuses, or says something other than JSON.</exception>
    public async Task<JToken> AskAsync(string url, JObject about, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new VendorDataException($"'{url}' is not an address of http or https");

        using var request = new HttpRequestMessage(HttpMethod.Post, address)
        {
            Content = new StringContent(about.ToString(Formatting.None), Encoding.UTF8, new MediaTypeHeaderValue("application/json")),
        };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.UserAgent.ParseAdd("openstack-nova-vendordata");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(options.VendorDataConnectTimeout + options.VendorDataReadTimeout);
        try
        {
            using var response = await clients.CreateClient(ClientName).SendAsync(request, limit.Token);
            var text = await response.Content.ReadAsStringAsync(limit.Token);
            return response.IsSuccessStatusCode ? Parse(text, address) : throw new OpenStackHttpException(
                ClientName, response.StatusCode, $"{address.GetLeftPart(UriPartial.Path)} gave no vendor data", text, null);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ServiceUnreachableException(
                ClientName, address, $"no answer within {(options.VendorDataConnectTimeout + options.VendorDataReadTimeout).TotalSeconds:0.#} s", e);
        }
    }

    private static JToken Parse(string text, Uri address)
    {
        if (text.Length == 0)
            return new JObject();
        try
        {
            using var reader = new JsonTextReader(new StringReader(text)) { DateParseHandling = DateParseHandling.None };
            return JToken.ReadFrom(reader);
        }
        catch (JsonException e)
        {
            throw new VendorDataException($"{address.GetLeftPart(UriPartial.Path)} answered something other than JSON: {e.Message}", e);
        }
    }
}

/// <summary>A target of vendordata_dynamic_targets is no use.</summary>
public sealed class VendorDataException(string message, Exception? inner = null) : OpenStackException(VendorDataClient.ClientName, message, inner);
