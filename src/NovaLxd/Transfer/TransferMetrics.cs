using System.Diagnostics.Metrics;

namespace NovaLxd.Transfer;

/// <summary>Meter "NovaLxd": containers on their way between hosts.</summary>
internal sealed class TransferMetrics
{
    private readonly Counter<long> _bytes;
    private readonly Counter<long> _interruptions;
    private readonly UpDownCounter<int> _underWay;

    public TransferMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("NovaLxd");
        _bytes = meter.CreateCounter<long>("novalxd.transfer.bytes", "By", "Data of containers that left for other hosts (out) or came from them (in)");
        _interruptions = meter.CreateCounter<long>("novalxd.transfer.interruptions", description: "Connections that broke and requests without answer while a container left");
        _underWay = meter.CreateUpDownCounter<int>("novalxd.transfers", description: "Containers that are leaving (out) or arriving (in)");
    }

    public void Moved(string direction, long bytes) => _bytes.Add(bytes, Direction(direction));

    public void Interrupted() => _interruptions.Add(1);

    public void Begun(string direction) => _underWay.Add(1, Direction(direction));

    public void Ended(string direction) => _underWay.Add(-1, Direction(direction));

    private static KeyValuePair<string, object?> Direction(string direction) => new("direction", direction);
}
