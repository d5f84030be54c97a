namespace NovaLxd.Supervisor;

/// <summary>How long a guest that reboots again and again without ever running has to wait, and when that ends: such a guest must not burn the host.</summary>
internal sealed class RebootBackoff(TimeProvider time)
{
    /// <summary>Quick reboots in a row that are allowed.</summary>
    public const int Limit = 10;

    /// <summary>A guest that ran this long starts anew.</summary>
    public static readonly TimeSpan Settled = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    private long _started;
    private int _quick;

    public void Started() => _started = time.GetTimestamp();

    public void Reset() => _quick = 0;

    /// <summary>0 for the first two, then from a quarter second doubling to half a minute; null: no more.</summary>
    public TimeSpan? Next()
    {
        _quick = time.GetElapsedTime(_started) < Settled ? _quick + 1 : 0;
        if (_quick > Limit)
        {
            return null;
        }

        return _quick <= 2 ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min(Longest.TotalSeconds, 0.25 * Math.Pow(2, _quick - 3)));
    }
}
