namespace NovaLxd.Virt.Tests.Fakes;

/// <summary>What was asked of the fakes, in order, and which of it is to fail or to wait.</summary>
internal sealed class Journal
{
    private readonly Lock _gate = new();
    private readonly List<string> _entries = [];
    private readonly Dictionary<string, Exception> _failures = [];
    private readonly Dictionary<string, TaskCompletionSource> _barriers = [];

    public IReadOnlyList<string> Entries
    {
        get
        {
            lock (_gate)
            {
                return [.. _entries];
            }
        }
    }

    /// <summary>The entries since the last call of this method.</summary>
    public IReadOnlyList<string> Take()
    {
        lock (_gate)
        {
            string[] taken = [.. _entries];
            _entries.Clear();
            return taken;
        }
    }

    public void Fail(string entry, Exception? failure = null) => _failures[entry] = failure ?? new InvalidOperationException($"{entry} fails");

    public void Heal() => _failures.Clear();

    /// <summary>Makes the entry wait until the returned source is completed.</summary>
    public TaskCompletionSource Hold(string entry) => _barriers[entry] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Writes the entry down, waits where told to, then fails where told to.</summary>
    public async Task AddAsync(string entry, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            _entries.Add(entry);
        }

        if (_barriers.TryGetValue(entry, out var barrier))
        {
            await barrier.Task.WaitAsync(cancellationToken);
        }

        if (_failures.TryGetValue(entry, out var failure))
        {
            throw failure;
        }
    }

    /// <summary>Returns when the entry has been written.</summary>
    public async Task WaitForAsync(string entry)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!Entries.Contains(entry))
        {
            await Task.Delay(1, limit.Token);
        }
    }
}
