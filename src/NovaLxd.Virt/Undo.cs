using Microsoft.Extensions.Logging;

namespace NovaLxd.Virt;

/// <summary>
/// What has been done, each with how to take it back. Unless <see cref="Keep"/> is said, disposal runs the inverses from the last to the first, under a
/// time limit of its own and not the caller's token, and goes on after one that fails: that failure is logged with its name, the one that stopped
/// the caller is already on its way up.
/// </summary>
public sealed class Undo(ILogger logger, TimeSpan? limit = null) : IAsyncDisposable
{
    private readonly Stack<(string What, Func<CancellationToken, Task> Inverse)> _steps = new();

    /// <param name="what">What is taken back, as the object of "could not undo ...".</param>
    /// <param name="inverse">Takes it back; must do nothing when there is nothing to take back.</param>
    public void Add(string what, Func<CancellationToken, Task> inverse) => _steps.Push((what, inverse));

    /// <summary>Success: nothing is taken back.</summary>
    public void Keep() => _steps.Clear();

    public async ValueTask DisposeAsync()
    {
        if (_steps.Count == 0)
        {
            return;
        }

        using var timeout = new CancellationTokenSource(limit ?? TimeSpan.FromMinutes(2));
        while (_steps.TryPop(out var step))
        {
            try
            {
                await step.Inverse(timeout.Token).ConfigureAwait(false);
            }
#pragma warning disable CA1031 // One inverse that fails must not keep the others from running.
            catch (Exception e)
#pragma warning restore CA1031
            {
                logger.LogError(e, "Could not undo {What}", step.What);
            }
        }
    }
}
