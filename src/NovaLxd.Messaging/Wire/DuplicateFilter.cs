namespace NovaLxd.Messaging.Wire;

/// <summary>
/// The last 16 message ids of a listener (oslo.messaging <c>amqp.py:_MsgIdCache</c>). Used from one consumer callback, hence without a lock.
/// </summary>
internal sealed class DuplicateFilter
{
    private const int Size = 16;
    private readonly Queue<string> _recent = new(Size);

    /// <summary>Whether the id was seen lately; it is remembered when not. A message without one is never a duplicate.</summary>
    public bool IsDuplicate(string? uniqueId)
    {
        if (string.IsNullOrEmpty(uniqueId))
        {
            return false;
        }

        if (_recent.Contains(uniqueId))
        {
            return true;
        }

        if (_recent.Count == Size)
        {
            _recent.Dequeue();
        }

        _recent.Enqueue(uniqueId);
        return false;
    }
}
