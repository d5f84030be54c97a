using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using RabbitMQ.Client;

namespace NovaLxd.Messaging.Amqp;

/// <summary>Where and how to connect: a parsed <c>transport_url</c> with the options its query overrides.</summary>
/// <param name="Url">Hosts, credentials, virtual host.</param>
/// <param name="Options"><c>[oslo_messaging_rabbit]</c> with the URL's overrides.</param>
internal sealed record BrokerAddress(TransportUrl Url, RabbitOptions Options)
{
    /// <summary>Longer than a busy broker needs, short enough that a dead host in the list does not hold up the others.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private const int TcpLevel = 6;
    private const int TcpUserTimeout = 18;

    /// <exception cref="FormatException">The URL or an option in its query is wrong, or the options contradict each other.</exception>
    public static BrokerAddress Create(string transportUrl, RabbitOptions options)
    {
        var url = TransportUrl.Parse(transportUrl);
        var merged = url.Query.Aggregate(options, (all, pair) => all.With(pair.Key, pair.Value));
        var problems = merged.Problems();
        return problems.Count > 0 ? throw new FormatException(string.Join("; ", problems)) : new BrokerAddress(url, merged);
    }

    /// <summary>Opens a connection to one host.</summary>
    /// <param name="name">Shown as <c>connection_name</c> in the broker's lists.</param>
    public async Task<IConnection> ConnectAsync(TransportHost host, string name, CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory
        {
            AutomaticRecoveryEnabled = false, // BrokerConnection says why
            TopologyRecoveryEnabled = false,
            // kombu replaces empty credentials by guest.
            UserName = host.UserName.Length > 0 ? host.UserName : "guest",
            Password = host.Password.Length > 0 ? host.Password : "guest",
            VirtualHost = Url.VirtualHost,
            RequestedHeartbeat = TimeSpan.FromSeconds(Options.HeartbeatTimeoutThreshold),
            RequestedConnectionTimeout = ConnectTimeout,
            HandshakeContinuationTimeout = ConnectTimeout,
            AuthMechanisms = Mechanisms(),
            SocketFactory = family =>
            {
                var client = ConnectionFactoryBase.DefaultSocketFactory(family);
                if (OperatingSystem.IsLinux() && Options.HeartbeatTimeoutThreshold > 0)
                {
                    // A host that died without a word acknowledges nothing: the kernel then ends the connection within one heartbeat, as it
                    // does for oslo. RabbitMQ.Client alone waits for three missed heartbeats.
                    client.Client.SetRawSocketOption(TcpLevel, TcpUserTimeout, BitConverter.GetBytes(Options.HeartbeatTimeoutThreshold * 1000));
                }

                return client;
            },
        };
        return await WithinLimitAsync(
            limit => factory.CreateConnectionAsync([new AmqpTcpEndpoint(host.HostName, host.Port, Tls(host))], name, limit), cancellationToken);
    }

    /// <summary>
    /// RabbitMQ.Client waits without end for the greeting of a peer that accepts the connection and stays silent, and its clean-up after a
    /// cancellation may take long as well; so an attempt that exceeds the limit is left to end by itself.
    /// </summary>
    private static async Task<IConnection> WithinLimitAsync(Func<CancellationToken, Task<IConnection>> connect, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ConnectTimeout + ConnectTimeout);
        var attempt = connect(limit.Token);
        try
        {
            return await attempt.WaitAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!attempt.IsCompletedSuccessfully)
        {
            _ = DisposeLateAsync(attempt);
            cancellationToken.ThrowIfCancellationRequested();
            throw new TimeoutException($"the broker did not complete the AMQP handshake within {2 * ConnectTimeout.TotalSeconds} s");
        }
    }

    private static async Task DisposeLateAsync(Task<IConnection> attempt)
    {
        try
        {
            await (await attempt).DisposeAsync();
        }
        catch (Exception e) when (e.IsBrokerFault(CancellationToken.None))
        {
            // nobody waits for it any more
        }
    }

    private List<IAuthMechanismFactory> Mechanisms() => Options.RabbitLoginMethod switch
    {
        "EXTERNAL" => [new ExternalMechanismFactory()],
        "PLAIN" => [new PlainMechanismFactory()],
        // PLAIN behind it for brokers that dropped AMQPLAIN.
        _ => [new AmqplainMechanismFactory(), new PlainMechanismFactory()],
    };

    private SslOption Tls(TransportHost host)
    {
        if (!Options.Ssl)
        {
            return new SslOption();
        }

        var only12 = Options.SslVersion.Equals("TLSv1_2", StringComparison.OrdinalIgnoreCase);
        var tls = new SslOption(host.HostName) { Enabled = true, Version = only12 ? SslProtocols.Tls12 : SslProtocols.None };
        if (Options.SslCertFile.Length > 0)
        {
            var keyFile = Options.SslKeyFile.Length > 0 ? Options.SslKeyFile : Options.SslCertFile;
            tls.Certs = [X509Certificate2.CreateFromPemFile(Options.SslCertFile, keyFile)];
            tls.CertificateSelectionCallback = (_, _, certificates, _, _) => certificates[0];
        }

        X509Certificate2Collection? authorities = null;
        if (Options.SslCaFile.Length > 0)
        {
            authorities = [];
            authorities.ImportFromPemFile(Options.SslCaFile);
        }

        // oslo checks the chain always, and the name only when an authority file is given and the option is on.
        var checkName = authorities is not null && Options.SslEnforceHostnameVerification;
        tls.CertificateValidationCallback = (_, certificate, _, errors) =>
            certificate is X509Certificate2 broker
            && (!checkName || !errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            && ChainIsValid(broker, authorities);
        return tls;
    }

    private static bool ChainIsValid(X509Certificate2 certificate, X509Certificate2Collection? authorities)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        if (authorities is not null)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        }

        return chain.Build(certificate);
    }
}
