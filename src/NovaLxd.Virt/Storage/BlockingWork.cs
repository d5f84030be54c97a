namespace NovaLxd.Virt.Storage;

/// <summary>
/// Where file system calls run. They block whatever they are called, so they get threads: short work of the pool, as many at once as
/// <paramref name="width"/> so that a slow disk cannot take every thread of the service; an import, which waits for the network most of the time, one of its own.
/// </summary>
internal sealed class BlockingWork(int width) : IDisposable
{
    private readonly SemaphoreSlim _slots = new(width, width);

    public Task RunAsync(Action work, CancellationToken cancellationToken) =>
        RunAsync(
            () =>
            {
                work();
                return true;
            },
            cancellationToken);

    public async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await Task.Run(work, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _slots.Release();
        }
    }

    public static Task<T> RunOnOwnThreadAsync<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public void Dispose() => _slots.Dispose();
}
