namespace NovaLxd.Messaging;

/// <summary>How a connection to the broker is, for health reports.</summary>
/// <param name="IsConnected">Whether it is open now.</param>
/// <param name="Host">Host and port it is, or was last, connected to.</param>
/// <param name="Since">When it was opened, or lost; null before the first connection.</param>
/// <param name="LastError">Why it was lost or could not be opened the last time; null when that never happened.</param>
/// <param name="LastErrorAt">When.</param>
/// <param name="BlockedReason">Why the broker takes no messages now (memory or disk alarm); null when it takes them.</param>
public sealed record BrokerState(
    bool IsConnected, string? Host, DateTimeOffset? Since, string? LastError, DateTimeOffset? LastErrorAt, string? BlockedReason);
