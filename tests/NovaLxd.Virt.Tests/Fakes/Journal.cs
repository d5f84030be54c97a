namespace NovaLxd.Virt.Tests.Fakes;

/// <summary>What was asked of the fakes, in order, and which of it is to fail or to wait. Used by the driver's threads and the test's at once.</summary>
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

    public void Fail(string entry, Exception? failure = null)
    {
        lock (_gate)
        {
            _failures[entry] = failure ?? new InvalidOperationException($"{entry} fails");
        }
    }

    public void Heal()
    {
        lock (_gate)
        {
            _failures.Clear();
        }
    }

    /// <summary>Makes the entry wait until the returned source is completed.</summary>
    public TaskCompletionSource Hold(string entry)
    {
        lock (_gate)
        {
            return _barriers[entry] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Writes the entry down, waits where told to, then fails where told to.</summary>
    public async Task AddAsync(string entry, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource? barrier;
        lock (_gate)
        {
            _entries.Add(entry);
            barrier = _barriers.GetValueOrDefault(entry);
        }

        if (barrier is not null)
        {
            await barrier.Task.WaitAsync(cancellationToken);
        }

        lock (_gate)
        {
            if (_failures.TryGetValue(entry, out var failure))
            {
                throw failure;
            }
        }
    }

    /// <summary>Returns when the entry has been written.</summary>
    public async Task WaitForAsync(string entry)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while (!Entries.Contains(entry))
        {
            await Task.Delay(1, limit.Token);
        }
    }
}
