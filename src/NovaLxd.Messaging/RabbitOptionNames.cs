using System.Globalization;

namespace NovaLxd.Messaging;

/// <summary>oslo's names of the options, for the query of a <c>transport_url</c> and for configuration files.</summary>
public static class RabbitOptionNames
{
    /// <summary>Options of oslo.messaging that concern Python's implementation only.</summary>
    private static readonly HashSet<string> WithoutEffect =
    [
        "rpc_conn_pool_size", "conn_pool_min_size", "conn_pool_ttl", "heartbeat_in_pthread", "direct_mandatory_flag", "ssl_enforce_fips_mode",
    ];

    /// <summary>These options with one of them replaced by the text of a configuration file or URL.</summary>
    /// <exception cref="FormatException">No such option, or a value of the wrong type.</exception>
    public static RabbitOptions With(this RabbitOptions options, string name, string value)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(value);
        return name switch
        {
            "amqp_durable_queues" => options with { AmqpDurableQueues = Bool(name, value) },
            "amqp_auto_delete" => options with { AmqpAutoDelete = Bool(name, value) },
            "ssl" or "rabbit_use_ssl" => options with { Ssl = Bool(name, value) },
            "ssl_version" or "kombu_ssl_version" => options with { SslVersion = value },
            "ssl_key_file" or "kombu_ssl_keyfile" => options with { SslKeyFile = value },
            "ssl_cert_file" or "kombu_ssl_certfile" => options with { SslCertFile = value },
            "ssl_ca_file" or "kombu_ssl_ca_certs" => options with { SslCaFile = value },
            "ssl_enforce_hostname_verification" => options with { SslEnforceHostnameVerification = Bool(name, value) },
            "kombu_reconnect_delay" => options with { KombuReconnectDelay = Double(name, value) },
            "kombu_reconnect_splay" => options with { KombuReconnectSplay = Double(name, value) },
            "kombu_compression" => options with { KombuCompression = value },
            "kombu_missing_consumer_retry_timeout" or "kombu_reconnect_timeout" =>
                options with { KombuMissingConsumerRetryTimeout = Int(name, value) },
            "kombu_failover_strategy" => options with { KombuFailoverStrategy = value },
            "rabbit_login_method" => options with { RabbitLoginMethod = value },
            "rabbit_retry_interval" => options with { RabbitRetryInterval = Int(name, value) },
            "rabbit_retry_backoff" => options with { RabbitRetryBackoff = Int(name, value) },
            "rabbit_interval_max" => options with { RabbitIntervalMax = Int(name, value) },
            "rabbit_ha_queues" => options with { RabbitHaQueues = Bool(name, value) },
            "rabbit_quorum_queue" => options with { RabbitQuorumQueue = Bool(name, value) },
            "rabbit_transient_quorum_queue" => options with { RabbitTransientQuorumQueue = Bool(name, value) },
            "rabbit_quorum_delivery_limit" => options with { RabbitQuorumDeliveryLimit = Int(name, value) },
            "rabbit_quorum_max_memory_length" or "rabbit_quroum_max_memory_length" => options with { RabbitQuorumMaxMemoryLength = Int(name, value) },
            "rabbit_quorum_max_memory_bytes" or "rabbit_quroum_max_memory_bytes" => options with { RabbitQuorumMaxMemoryBytes = Int(name, value) },
            "rabbit_transient_queues_ttl" => options with { RabbitTransientQueuesTtl = Int(name, value) },
            "rabbit_qos_prefetch_count" => options with { RabbitQosPrefetchCount = Int(name, value) },
            "heartbeat_timeout_threshold" => options with { HeartbeatTimeoutThreshold = Int(name, value) },
            "heartbeat_rate" => options with { HeartbeatRate = Int(name, value) },
            "enable_cancel_on_failover" => options with { EnableCancelOnFailover = Bool(name, value) },
            "use_queue_manager" => options with { UseQueueManager = Bool(name, value) },
            "hostname" => options with { Hostname = value },
            "processname" => options with { Processname = value },
            "rabbit_stream_fanout" => options with { RabbitStreamFanout = Bool(name, value) },
            _ when WithoutEffect.Contains(name) => options,
            _ => throw new FormatException($"[oslo_messaging_rabbit] has no option {name}"),
        };
    }

    private static bool Bool(string name, string value) => value.ToUpperInvariant() switch
    {
        "TRUE" or "1" or "YES" or "ON" => true,
        "FALSE" or "0" or "NO" or "OFF" => false,
        _ => throw new FormatException($"[oslo_messaging_rabbit] {name} = '{value}' is not a boolean"),
    };

    private static int Int(string name, string value) =>
        int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new FormatException($"[oslo_messaging_rabbit] {name} = '{value}' is not a whole number");

    private static double Double(string name, string value) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new FormatException($"[oslo_messaging_rabbit] {name} = '{value}' is not a number");
}
