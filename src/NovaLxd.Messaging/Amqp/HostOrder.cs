using System.Security.Cryptography;

namespace NovaLxd.Messaging.Amqp;

/// <summary>
/// Which broker is tried next: the list is shuffled once, so that services spread over the brokers; then round-robin goes through it in
/// turn and shuffle draws anew each time (kombu's failover strategies).
/// </summary>
internal sealed class HostOrder
{
    private readonly TransportHost[] _hosts;
    private readonly bool _drawEachTime;
    private int _next;

    public HostOrder(IReadOnlyList<TransportHost> hosts, string strategy)
    {
        _hosts = [.. hosts];
        _drawEachTime = strategy == "shuffle";
        RandomNumberGenerator.Shuffle(_hosts.AsSpan());
    }

    public int Count => _hosts.Length;

    public TransportHost Next() => _hosts[_drawEachTime ? RandomNumberGenerator.GetInt32(_hosts.Length) : _next++ % _hosts.Length];
}

/// <summary>
/// The waits between attempts: none until every host was tried, then <c>rabbit_retry_interval</c>, growing by <c>rabbit_retry_backoff</c>
/// up to <c>rabbit_interval_max</c> (kombu's <c>retry_over_time</c> as oslo.messaging calls it).
/// </summary>
internal sealed class ReconnectDelays(RabbitOptions options, int hosts)
{
    private int _failures;

    /// <summary>The wait after one more failure.</summary>
    public TimeSpan AfterFailure()
    {
        _failures++;
        if (_failures % hosts != 0)
        {
            return TimeSpan.Zero;
        }

        var rounds = (_failures / hosts) - 1L;
        return TimeSpan.FromSeconds(Math.Min(options.RabbitRetryInterval + (rounds * options.RabbitRetryBackoff), options.RabbitIntervalMax));
    }

    public void Reset() => _failures = 0;
}
