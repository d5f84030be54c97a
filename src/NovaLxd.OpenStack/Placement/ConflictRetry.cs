namespace NovaLxd.OpenStack.Placement;

/// <summary>Four attempts with random pauses between them, so that writers who collided do not collide again (report.py: retries).</summary>
internal sealed class ConflictRetry(OpenStackOptions options, TimeProvider time)
{
    private const int Attempts = 4;

    /// <summary>Runs <paramref name="attempt"/> until it does not fail with a conflict, the last failure passes.</summary>
    public async Task<T> RunAsync<T>(Func<Task<T>> attempt, Func<Exception, bool> isConflict, CancellationToken cancellationToken)
    {
        for (var n = 1; ; n++)
        {
            try
            {
                return await attempt();
            }
            catch (Exception e) when (n < Attempts && isConflict(e))
            {
#pragma warning disable CA5394 // Spreading load, not a secret.
                await Task.Delay(options.ConflictPause * (n * Random.Shared.NextDouble()), time, cancellationToken);
#pragma warning restore CA5394
            }
        }
    }
}
