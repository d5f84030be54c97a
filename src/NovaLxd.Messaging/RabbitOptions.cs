namespace NovaLxd.Messaging;

/// <summary>
/// Section <c>[oslo_messaging_rabbit]</c>: each property is oslo.messaging's option of the same name in snake case, with oslo's default.
/// What shapes a declaration must equal the settings of the other services of the cell, or RabbitMQ refuses it (406). Times are seconds.
/// Names that have an effect on Python's side only (<c>rpc_conn_pool_size</c>, <c>heartbeat_in_pthread</c> ...) are accepted by
/// <see cref="RabbitOptionNames"/> and have no property.
/// </summary>
public sealed record RabbitOptions
{
    /// <summary>Topic queues and the control exchange survive a restart of the broker.</summary>
    public bool AmqpDurableQueues { get; init; }

    /// <summary>Topic queues and the control exchange vanish with their last user.</summary>
    public bool AmqpAutoDelete { get; init; }

    /// <summary>Connect by TLS.</summary>
    public bool Ssl { get; init; }

    /// <summary>Empty or <c>SSLv23</c>: what the system allows; <c>TLSv1_2</c>: exactly that. Older protocols are refused.</summary>
    public string SslVersion { get; init; } = "";

    /// <summary>PEM file of the client's private key.</summary>
    public string SslKeyFile { get; init; } = "";

    /// <summary>PEM file of the client's certificate.</summary>
    public string SslCertFile { get; init; } = "";

    /// <summary>PEM file with the authorities that may sign the broker's certificate; empty: the system's.</summary>
    public string SslCaFile { get; init; } = "";

    /// <summary>Whether the broker's name must stand in its certificate; only looked at with <see cref="SslCaFile"/>.</summary>
    public bool SslEnforceHostnameVerification { get; init; }

    /// <summary>Wait before connecting again after a connection or consumer was lost.</summary>
    public double KombuReconnectDelay { get; init; } = 1.0;

    /// <summary>A random time up to this is added to <see cref="KombuReconnectDelay"/>.</summary>
    public double KombuReconnectSplay { get; init; }

    /// <summary><c>gzip</c> or <c>bz2</c>: compress message bodies as kombu does; null: plain.</summary>
    public string? KombuCompression { get; init; }

    /// <summary>How long a reply is tried while the caller's reply queue is missing.</summary>
    public int KombuMissingConsumerRetryTimeout { get; init; } = 60;

    /// <summary><c>round-robin</c> or <c>shuffle</c>: which host is tried after the one that failed.</summary>
    public string KombuFailoverStrategy { get; init; } = "round-robin";

    /// <summary><c>AMQPLAIN</c>, <c>PLAIN</c> or <c>EXTERNAL</c>.</summary>
    public string RabbitLoginMethod { get; init; } = "AMQPLAIN";

    /// <summary>First wait after every host of the URL was tried without success.</summary>
    public int RabbitRetryInterval { get; init; } = 1;

    /// <summary>What is added to the wait each further time.</summary>
    public int RabbitRetryBackoff { get; init; } = 2;

    /// <summary>The longest wait.</summary>
    public int RabbitIntervalMax { get; init; } = 30;

    /// <summary>Adds <c>x-ha-policy: all</c> to every queue; ignored by RabbitMQ 3.0 and later.</summary>
    public bool RabbitHaQueues { get; init; }

    /// <summary>Topic and notification queues are quorum queues, hence durable.</summary>
    public bool RabbitQuorumQueue { get; init; }

    /// <summary>Fanout and reply queues are quorum queues too (2024.1).</summary>
    public bool RabbitTransientQuorumQueue { get; init; }

    /// <summary><c>x-delivery-limit</c> of quorum queues; 0: none.</summary>
    public int RabbitQuorumDeliveryLimit { get; init; }

    /// <summary><c>x-max-in-memory-length</c> of quorum queues; 0: none. Spelled <c>rabbit_quroum_max_memory_length</c> in Zed.</summary>
    public int RabbitQuorumMaxMemoryLength { get; init; }

    /// <summary><c>x-max-in-memory-bytes</c> of quorum queues; 0: none. Spelled <c>rabbit_quroum_max_memory_bytes</c> in Zed.</summary>
    public int RabbitQuorumMaxMemoryBytes { get; init; }

    /// <summary><c>x-expires</c> of fanout and reply queues, or <c>x-max-age</c> of the fanout stream; 0: none.</summary>
    public int RabbitTransientQueuesTtl { get; init; } = 1800;

    /// <summary>Messages delivered and not yet acknowledged per consumer; 0: no limit.</summary>
    public int RabbitQosPrefetchCount { get; init; }

    /// <summary>AMQP heartbeat offered to the broker; 0: off.</summary>
    public int HeartbeatTimeoutThreshold { get; init; } = 60;

    /// <summary>Checks per heartbeat interval. RabbitMQ.Client always sends two per interval, so only the range is looked at.</summary>
    public int HeartbeatRate { get; init; } = 2;

    /// <summary>Consumers ask to be told when their mirrored queue fails over.</summary>
    public bool EnableCancelOnFailover { get; init; }

    /// <summary>Fanout and reply queues have names that stay the same over restarts (2024.1).</summary>
    public bool UseQueueManager { get; init; }

    /// <summary>First part of the queue manager's names.</summary>
    public string Hostname { get; init; } = Environment.MachineName;

    /// <summary>
    /// Second part of the queue manager's names. Two services with equal <see cref="Hostname"/> need different ones, or they take each
    /// other's replies.
    /// </summary>
    public string Processname { get; init; } = "novalxd";

    /// <summary>All fanout consumers of a topic read one stream (2024.1).</summary>
    public bool RabbitStreamFanout { get; init; }

    /// <summary>Everything that is wrong, one sentence each; empty when the options can be used.</summary>
    public IReadOnlyList<string> Problems()
    {
        List<string> problems = [];
        void Require(bool holds, string otherwise)
        {
            if (!holds)
            {
                problems.Add($"[oslo_messaging_rabbit] {otherwise}");
            }
        }

        Require(!(RabbitQuorumQueue && RabbitHaQueues), "rabbit_quorum_queue and rabbit_ha_queues exclude each other");
        Require(!(RabbitTransientQuorumQueue && RabbitHaQueues), "rabbit_transient_quorum_queue and rabbit_ha_queues exclude each other");
        Require(!RabbitStreamFanout || RabbitQosPrefetchCount > 0, "rabbit_stream_fanout needs rabbit_qos_prefetch_count greater than 0");
        Require(!RabbitStreamFanout || RabbitTransientQuorumQueue, "rabbit_stream_fanout needs rabbit_transient_quorum_queue");
        Require(RabbitQosPrefetchCount is >= 0 and <= ushort.MaxValue, "rabbit_qos_prefetch_count must be from 0 to 65535");
        Require(RabbitTransientQueuesTtl >= 0, "rabbit_transient_queues_ttl must not be negative");
        Require(HeartbeatTimeoutThreshold is >= 0 and <= ushort.MaxValue, "heartbeat_timeout_threshold must be from 0 to 65535");
        Require(HeartbeatRate > 0, "heartbeat_rate must be greater than 0");
        Require(RabbitRetryInterval >= 1, "rabbit_retry_interval must be at least 1");
        Require(RabbitRetryBackoff >= 0, "rabbit_retry_backoff must not be negative");
        Require(RabbitIntervalMax >= 1, "rabbit_interval_max must be at least 1");
        Require(KombuReconnectDelay is >= 0 and <= 4.5, "kombu_reconnect_delay must be from 0 to 4.5");
        Require(KombuReconnectSplay >= 0, "kombu_reconnect_splay must not be negative");
        Require(KombuFailoverStrategy is "round-robin" or "shuffle", "kombu_failover_strategy must be round-robin or shuffle");
        Require(RabbitLoginMethod is "PLAIN" or "AMQPLAIN" or "EXTERNAL", "rabbit_login_method must be AMQPLAIN, PLAIN or EXTERNAL");
        Require(KombuCompression is null or "" or "gzip" or "bz2", "kombu_compression must be gzip or bz2");
        Require(SslVersion.ToUpperInvariant() is "" or "SSLV23" or "TLSV1_2",
            $"ssl_version '{SslVersion}' is not supported; leave it empty for the newest common protocol, or set TLSv1_2");
        Require(SslKeyFile.Length == 0 || SslCertFile.Length > 0, "ssl_key_file needs ssl_cert_file");
        return problems;
    }
}
