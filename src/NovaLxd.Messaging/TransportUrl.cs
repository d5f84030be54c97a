using System.Globalization;

namespace NovaLxd.Messaging;

/// <summary>One broker of a <c>transport_url</c>.</summary>
/// <param name="HostName">Name or address, IPv6 without brackets.</param>
/// <param name="Port">TCP port.</param>
/// <param name="UserName">User name, percent-decoded.</param>
/// <param name="Password">Password, percent-decoded.</param>
public sealed record TransportHost(string HostName, int Port, string UserName, string Password)
{
    /// <summary>Host and port only: credentials never reach a log.</summary>
    public override string ToString() => HostName.Contains(':', StringComparison.Ordinal) ? $"[{HostName}]:{Port}" : $"{HostName}:{Port}";
}

/// <summary>A <c>transport_url</c> that cannot be used; the message says which part and never repeats a password.</summary>
public sealed class TransportUrlException : FormatException
{
    public TransportUrlException() { }

    public TransportUrlException(string message) : base(message) { }

    public TransportUrlException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>
/// <c>rabbit://user:pass@host:port[,user2:pass2@host2:port2]/virtual_host?option=value</c>, read by the rules of oslo.messaging
/// (<c>transport.py:TransportURL.parse</c>) and of kombu behind it.
/// </summary>
/// <param name="VirtualHost">What follows the first slash of the path, decoded; an empty one means <c>/</c>.</param>
/// <param name="Hosts">At least one broker, in the order written.</param>
/// <param name="Query">Options that override <c>[oslo_messaging_rabbit]</c> for this connection; a repeated key is joined by commas.</param>
public sealed record TransportUrl(string VirtualHost, IReadOnlyList<TransportHost> Hosts, IReadOnlyDictionary<string, string> Query)
{
    private const int DefaultPort = 5672;

    /// <summary>Reads <paramref name="url"/>; an empty one is oslo's default <c>rabbit://</c>, which is guest at localhost.</summary>
    /// <exception cref="TransportUrlException">The scheme, a port or an IPv6 address is wrong.</exception>
    public static TransportUrl Parse(string url)
    {
        ArgumentNullException.ThrowIfNull(url);
        var rest = url.Trim();
        if (rest.Length == 0)
        {
            rest = "rabbit://";
        }

        var colon = rest.IndexOf("://", StringComparison.Ordinal);
        if (colon <= 0)
        {
            throw new TransportUrlException("transport_url has no scheme; write rabbit://user:password@host:5672/");
        }

        var scheme = rest[..colon].ToUpperInvariant();
        if (scheme is not ("RABBIT" or "KOMBU"))
        {
            throw new TransportUrlException($"transport_url has the scheme '{rest[..colon]}'; only rabbit:// is supported");
        }

        rest = Before(rest[(colon + 3)..], '#', out _);
        var end = rest.IndexOfAny(['/', '?']);
        var netloc = end < 0 ? rest : rest[..end];
        var path = Before(end < 0 ? "" : rest[end..], '?', out var query);
        var virtualHost = path.Length > 1 ? Uri.UnescapeDataString(path[1..]) : "";
        var hosts = netloc.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(ParseHost).ToList();
        if (hosts.Count == 0)
        {
            hosts.Add(new TransportHost("localhost", DefaultPort, "guest", "guest"));
        }

        return new TransportUrl(virtualHost.Length == 0 ? "/" : virtualHost, hosts, ParseQuery(query));
    }

    /// <summary>The URL without passwords.</summary>
    public override string ToString() =>
        $"rabbit://{string.Join(',', Hosts.Select(host => $"{host.UserName}:***@{host}"))}/{(VirtualHost == "/" ? "" : VirtualHost)}";

    private static TransportHost ParseHost(string text)
    {
        // The last @ separates, so that a user name of the form user@realm survives; the first colon ends the user name.
        string userName = "", password = "";
        var at = text.LastIndexOf('@');
        if (at >= 0)
        {
            userName = Uri.UnescapeDataString(Before(text[..at], ':', out var secret));
            password = Uri.UnescapeDataString(secret);
        }

        var address = text[(at + 1)..];
        string hostName, port;
        if (address.StartsWith('['))
        {
            var close = address.IndexOf(']', StringComparison.Ordinal);
            if (close < 0)
            {
                throw new TransportUrlException("transport_url has an IPv6 address without its closing bracket");
            }

            hostName = address[1..close];
            Before(address[close..], ':', out port);
        }
        else
        {
            hostName = Before(address, ':', out port);
        }

        var number = DefaultPort;
        if (port.Length > 0 && (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is < 1 or > 65535))
        {
            throw new TransportUrlException(
                "transport_url has a port that is not a number from 1 to 65535; characters such as / ? # , in a password must be percent-encoded");
        }

        return new TransportHost(hostName.Length == 0 ? "localhost" : hostName, number, userName, password);
    }

    private static Dictionary<string, string> ParseQuery(string query)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var key = Decode(Before(pair, '=', out var value));
            if (value.Length == 0)
            {
                continue; // parse_qs drops blank values
            }

            result[key] = result.TryGetValue(key, out var earlier) ? $"{earlier},{Decode(value)}" : Decode(value);
        }

        return result;
    }

    private static string Decode(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));

    private static string Before(string text, char separator, out string after)
    {
        var at = text.IndexOf(separator, StringComparison.Ordinal);
        after = at < 0 ? "" : text[(at + 1)..];
        return at < 0 ? text : text[..at];
    }
}
