using System.Diagnostics;
using NovaLxd.Supervisor;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>
/// Children of a managed process that run managed code hang when a garbage collection is under way (one in 6 to 60 did); a list of system calls does not.
/// So whole launches run here in a process that collects all the time.
/// </summary>
[Trait("Lane", "root")]
public sealed class SpawnUnderPressureTests : IAsyncLifetime
{
    private const int Fewest = 30;
    private const int Most = 200;

    /// <summary>After which a slow machine has launched enough.</summary>
    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(60);
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task EveryLaunchSucceedsWhileTheHeapIsCollected()
    {
        using var loop = new EventLoop(TimeProvider.System, e => throw e);
        using var stub = new SyscallStub();
        var context = new SupervisorContext
        {
            Loop = loop,
            Log = new Log(TimeProvider.System),
            Time = TimeProvider.System,
            Stub = stub,
            Cgroups = NovaLxd.Virt.Cgroups.Cgroups.Detect(),
            Host = new HostFacts(),
            Records = new GuestRecords(Path.Combine(_host.Folder, "records")),
            StagingDirectory = Directory.CreateDirectory(Path.Combine(_host.Folder, "staging")).FullName,
            Publish = _ => true,
            KeepTerminal = (_, _) => { },
            ForgetTerminal = _ => { },
        };
        var spec = _host.NewSpec();
        using var stop = new CancellationTokenSource();
        Action[] pressures = [() => Allocate(stop.Token), () => Allocate(stop.Token), () => Allocate(stop.Token), () => Collect(stop.Token)];
        var pressure = pressures.Select(action => Task.Factory.StartNew(action, stop.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        var (launches, before) = (0, GC.CollectionCount(2));
        var all = Stopwatch.StartNew();
        try
        {
            for (; launches < Most && (launches < Fewest || all.Elapsed < Enough); launches++)
            {
                // At least one for each launch, whomever the scheduler favours.
                await EngineHost.UntilAsync("a collection", () => Task.FromResult(GC.CollectionCount(2) - before > launches));
                var watch = Stopwatch.StartNew();
                var attempt = LaunchAttempt.Begin(context, spec, null, _ => { });
                FileDescriptor? terminal;
                LaunchFailedException? failure;
                try
                {
                    while (!attempt.TryFinish(out terminal, out failure))
                    {
                        Assert.True(watch.Elapsed < EngineHost.Grace, $"Launch {launches} hangs: {await DescribeAsync(attempt.Identity.Pid)}");
                        await Task.Delay(1);
                    }
                }
                finally
                {
                    attempt.Abandon();
                }

                Assert.True(failure is null, $"Launch {launches}: {failure?.Message}");
                terminal!.Dispose();
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(pressure);
        }

        Assert.True(GC.CollectionCount(2) - before >= launches, $"Only {GC.CollectionCount(2) - before} collections ran beside {launches} launches.");
    }

    private static void Allocate(CancellationToken stop)
    {
        var kept = new byte[64][];
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            kept[i % kept.Length] = new byte[512 + (i % 4096)];
        }
    }

    private static void Collect(CancellationToken stop)
    {
        while (!stop.WaitHandle.WaitOne(1))
        {
            GC.Collect();
        }
    }

    private static async Task<string> DescribeAsync(int pid) =>
        $"{await File.ReadAllTextAsync($"/proc/{pid}/comm")} {await File.ReadAllTextAsync($"/proc/{pid}/wchan")} {await File.ReadAllTextAsync($"/proc/{pid}/syscall")}";
}
