using NovaLxd.Messaging;
using NovaLxd.OpenStack;

namespace NovaLxd.Startup;

/// <summary>Waits for neighbours that are down at start.</summary>
internal static class Retry
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    /// <summary>Repeats until it succeeds, with growing pauses; only what another service's absence causes is repeated.</summary>
    public static async Task UntilDoneAsync(Func<CancellationToken, Task> action, Action<Exception> failed, CancellationToken cancellationToken)
    {
        for (var pause = First; ; pause = pause * 2 > Longest ? Longest : pause * 2)
        {
            try
            {
                await action(cancellationToken);
                return;
            }
            catch (Exception e) when (e is OpenStackException or TimeoutException or RemoteFailureException)
            {
                failed(e);
                await Task.Delay(pause, cancellationToken);
            }
        }
    }
}
