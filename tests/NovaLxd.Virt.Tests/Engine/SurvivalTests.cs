using System.Globalization;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>Supervisor and service die, are upgraded and come back; no guest notices, and nothing that happened meanwhile is lost.</summary>
[Trait("Lane", "root")]
public sealed class SurvivalTests : IAsyncLifetime
{
    private EngineHost _host = null!;

    public async Task InitializeAsync() => _host = await EngineHost.StartAsync();

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Theory]
    [InlineData("KILL")]
    [InlineData("TERM")]
    public async Task ASuccessorAdoptsTheGuestsOfADeadSupervisor(string signal)
    {
        var spec = _host.NewSpec("::respawn:/bin/sh -c 'while true; do echo tick; sleep 0.1; done'\n", nics: await _host.NewNicAsync());
        var before = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        var supervisor = _host.FindSupervisor();
        await SignalAsync(supervisor, signal);
        await ProcessEnd.WaitAsync(supervisor);

        var after = await _host.Engine.FindAsync(spec.Id, CancellationToken.None);
        Assert.Equal((ContainerState.Running, before.InitPid, before.StartedAt), (after!.State, after.InitPid, after.StartedAt));
        Assert.NotEqual(supervisor, _host.FindSupervisor());
        Assert.Equal("here", await _host.ShellAsync(spec.Id, "echo here"));

        // The console's master came back from the engine: output goes on.
        var seen = (await _host.ConsoleAsync(spec.Id)).Length;
        await EngineHost.UntilAsync("more output", async () => (await _host.ConsoleAsync(spec.Id)).Length > seen + 20);
        Assert.True(await _host.Engine.StopAsync(spec.Id, EngineHost.Grace, CancellationToken.None));
        Assert.Equal(ContainerState.Stopped, (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.State);
    }

    [Fact]
    public async Task TheEndOfAnAdoptedGuestIsSeen()
    {
        var spec = _host.NewSpec(init: ["/bin/sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 5"]);
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await KillSupervisorAsync();
        await _host.EndByAsync(spec.Id, "echo >/tmp/go");
        var happened = await EndAsync(spec.Id);

        // How it ended is known from the kernel since 6.15, when whoever reaps orphans has done so; otherwise it counts as a stop.
        Assert.True(
            happened is { Kind: ContainerEventKind.Crashed, Detail: not null } && happened.Detail.StartsWith("init exited with status 5", StringComparison.Ordinal)
            || happened is { Kind: ContainerEventKind.Stopped, Detail: not null } && happened.Detail.Contains("not known", StringComparison.Ordinal),
            happened.ToString());
    }

    [Fact]
    public async Task WhatEndedWhileNoSupervisorRanIsReportedOnce()
    {
        var spec = _host.NewSpec(init: ["/bin/sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 5"]);
        var container = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        await _host.Engine.DisposeAsync();
        await KillSupervisorAsync();
        await SignalAsync(container.InitPid, "KILL");
        await ProcessEnd.WaitAsync(container.InitPid);

        _host.Engine = _host.NewEngine();
        await _host.Engine.ConnectAsync(CancellationToken.None);
        var happened = await EndAsync(spec.Id);
        Assert.NotNull(happened.Detail);
        Assert.Equal(happened.Detail, (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.LastExit);

        await _host.Engine.DisposeAsync();
        _host.Engine = _host.NewEngine();
        await _host.Engine.ConnectAsync(CancellationToken.None);
        var other = _host.NewSpec();
        await _host.Engine.LaunchAsync(other, CancellationToken.None);
        using var limit = new CancellationTokenSource(EngineHost.Grace);
        await foreach (var first in _host.Engine.WatchAsync(limit.Token))
        {
            Assert.Equal((other.Id, ContainerEventKind.Started), (first.Id, first.Kind));
            break;
        }
    }

    [Fact]
    public async Task AnUpgradeInPlaceKeepsEverything()
    {
        var spec = _host.NewSpec("::respawn:/bin/sh -c 'while true; do echo tick; sleep 0.1; done'\n", nics: await _host.NewNicAsync());
        var before = await _host.Engine.LaunchAsync(spec, CancellationToken.None);
        var supervisor = _host.FindSupervisor();
        await SignalAsync(supervisor, "USR2");
        await EngineHost.UntilAsync("the upgrade", async () =>
            (await File.ReadAllTextAsync(Path.Combine(_host.Options.RuntimeDirectory, "supervisor.log"))).Contains("upgraded in place", StringComparison.Ordinal));

        Assert.Equal(supervisor, _host.FindSupervisor());
        Assert.Equal(before.InitPid, (await _host.Engine.FindAsync(spec.Id, CancellationToken.None))!.InitPid);
        var seen = (await _host.ConsoleAsync(spec.Id)).Length;
        await EngineHost.UntilAsync("more output", async () => (await _host.ConsoleAsync(spec.Id)).Length > seen + 20);

        // Still the parent: how the guest ends is known, and a reboot from inside works.
        await _host.EndByAsync(spec.Id, "reboot");
        await _host.NextEventAsync(spec.Id, ContainerEventKind.Rebooted);
    }

    [Fact]
    public async Task AServiceThatComesBackFindsItsGuestsAndWhatHappened()
    {
        var (staying, ending) = (_host.NewSpec(), _host.NewSpec(init: ["/bin/sh", "-c", "trap 'exit 5' USR1; echo ready; while true; do sleep 0.1; done"]));
        var container = await _host.Engine.LaunchAsync(staying, CancellationToken.None);
        var end = await _host.Engine.LaunchAsync(ending, CancellationToken.None);
        await EngineHost.UntilAsync("its readiness", async () => (await _host.ConsoleAsync(ending.Id)).Contains("ready", StringComparison.Ordinal));
        await _host.Engine.DisposeAsync();
        await SignalAsync(end.InitPid, "USR1");
        await ProcessEnd.WaitAsync(end.InitPid);

        _host.Engine = _host.NewEngine();
        await _host.Engine.ConnectAsync(CancellationToken.None);
        Assert.Equal(container, await _host.Engine.FindAsync(staying.Id, CancellationToken.None));
        Assert.StartsWith("init exited with status 5", (await _host.NextEventAsync(ending.Id, ContainerEventKind.Crashed)).Detail, StringComparison.Ordinal);
        Assert.Equal("here", await _host.ShellAsync(staying.Id, "echo here"));
    }

    [Fact]
    public async Task CallsUnderWayGoOnWithTheSuccessor()
    {
        var specs = Enumerable.Range(0, 8).Select(_ => _host.NewSpec()).ToArray();
        var launches = specs.Select(spec => _host.Engine.LaunchAsync(spec, CancellationToken.None)).ToArray();
        await KillSupervisorAsync();
        await Task.WhenAll(launches);
        foreach (var spec in specs)
        {
            Assert.Equal("here", await _host.ShellAsync(spec.Id, "echo here"));
        }

        Assert.Equal(8, (await _host.Engine.ListAsync(CancellationToken.None)).Count);
    }

    [Fact]
    public async Task ASecondSupervisorForTheSameFolderRefusesToRun()
    {
        var failure = await Assert.ThrowsAsync<Processes.CommandFailedException>(() => EngineHost.RunAsync(
            [.. EngineHost.SupervisorPath.EndsWith(".dll", StringComparison.Ordinal) ? ["dotnet"] : Array.Empty<string>(), EngineHost.SupervisorPath,
                "--runtime-dir", _host.Options.RuntimeDirectory, "--state-dir", _host.Options.StateDirectory]));
        Assert.Contains("another supervisor runs", failure.Message, StringComparison.Ordinal);
    }

    private async Task<ContainerEvent> EndAsync(Guid id)
    {
        using var limit = new CancellationTokenSource(EngineHost.Grace);
        await foreach (var happened in _host.Engine.WatchAsync(limit.Token))
        {
            if (happened.Id == id && happened.Kind is ContainerEventKind.Stopped or ContainerEventKind.Crashed)
            {
                return happened;
            }
        }

        throw new InvalidOperationException("The events ended.");
    }

    private async Task KillSupervisorAsync()
    {
        var supervisor = _host.FindSupervisor();
        await SignalAsync(supervisor, "KILL");
        await ProcessEnd.WaitAsync(supervisor);
    }

    private static async Task SignalAsync(int pid, string signal) => await EngineHost.RunAsync("kill", $"-{signal}", pid.ToString(CultureInfo.InvariantCulture));
}
