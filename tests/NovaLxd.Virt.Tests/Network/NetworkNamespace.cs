using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Tests.Network;

/// <summary>
/// A thread in a network namespace of its own, or in that of another. What runs in it comes back to it after each await, and so do the processes it
/// starts. The namespace and all its interfaces end with the last thread and descriptor.
/// </summary>
internal sealed partial class NetworkNamespace : SynchronizationContext, IDisposable
{
    private const int CLONE_NEWNET = 0x40000000;

    private readonly BlockingCollection<(SendOrPostCallback Callback, object? State)> _queue = [];
    private readonly TaskCompletionSource<SafeFileHandle> _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;

    private NetworkNamespace(NetworkNamespace? joined)
    {
        _thread = new Thread(() => Run(joined)) { IsBackground = true, Name = "network namespace" };
        _thread.Start();
    }

    public SafeFileHandle Handle { get; private set; } = new();

    public static async Task<NetworkNamespace> CreateAsync(NetworkNamespace? joined = null)
    {
        var created = new NetworkNamespace(joined);
        created.Handle = await created._entered.Task;
        if (joined is null)
        {
            await created.ShellAsync("ip link set lo up");
        }

        return created;
    }

    public override void Post(SendOrPostCallback d, object? state) => _queue.Add((d, state));

    public Task<T> RunAsync<T>(Func<Task<T>> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(
            async _ =>
            {
                try
                {
                    done.SetResult(await work());
                }
                catch (Exception e)
                {
                    done.SetException(e);
                }
            },
            null);
        return done.Task;
    }

    public Task RunAsync(Func<Task> work) => RunAsync(async () =>
    {
        await work();
        return true;
    });

    public Task<T> RunAsync<T>(Func<T> work) => RunAsync(() => Task.FromResult(work()));

    /// <returns>What the command printed.</returns>
    public Task<string> ShellAsync(string command) => RunAsync(() => CommandRunner.RunAsync(["sh", "-ec", command], CancellationToken.None));

    public Task<IReadOnlyList<Link>> LinksAsync() => RunAsync(() =>
    {
        using var rtnetlink = Rtnetlink.Open();
        return rtnetlink.List();
    });

    public async Task<Link?> FindAsync(string name) => (await LinksAsync()).SingleOrDefault(link => link.Name == name);

    public async Task<Link> GetAsync(string name)
    {
        var links = await LinksAsync();
        return links.SingleOrDefault(link => link.Name == name)
            ?? throw new InvalidOperationException($"{name} is not among {string.Join(' ', links.Select(link => link.Name))}.");
    }

    public void Dispose()
    {
        _queue.CompleteAdding();
        _thread.Join();
        _queue.Dispose();
        Handle.Dispose();
    }

    private void Run(NetworkNamespace? joined)
    {
        var failed = joined is null ? Unshare(CLONE_NEWNET) : SetNamespace(joined.Handle, CLONE_NEWNET);
        if (failed != 0)
        {
            _entered.SetException(KernelException.Last(joined is null ? "unshare" : "setns", "CLONE_NEWNET (the root lane needs root)"));
            return;
        }

        SetSynchronizationContext(this);
        _entered.SetResult(File.OpenHandle("/proc/thread-self/ns/net"));
        foreach (var (callback, state) in _queue.GetConsumingEnumerable())
        {
            callback(state);
        }
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(SafeFileHandle descriptor, int type);
}
