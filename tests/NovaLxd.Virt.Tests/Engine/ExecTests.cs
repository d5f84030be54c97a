using System.Diagnostics;

namespace NovaLxd.Virt.Tests.Engine;

[Trait("Lane", "root")]
public sealed class ExecTests : IAsyncLifetime
{
    private EngineHost _host = null!;
    private Guid _id;

    public async Task InitializeAsync()
    {
        _host = await EngineHost.StartAsync();
        var spec = _host.NewSpec();
        _id = spec.Id;
        await _host.Engine.LaunchAsync(spec, CancellationToken.None);
    }

    public async Task DisposeAsync() => await _host.DisposeAsync();

    [Fact]
    public async Task StreamsStatusEnvironmentAndFolder()
    {
        var result = await ExecAsync(new ExecRequest
        {
            Command = ["sh", "-c", "cat; pwd; echo $NAME; echo fault >&2; exit 7"],
            StandardInput = "in\n"u8.ToArray(),
            WorkingDirectory = "/etc",
            Environment = new Dictionary<string, string> { ["NAME"] = "value" },
        });
        Assert.Equal((7, "in\n/etc\nvalue\n", "fault\n"), (result.ExitCode, EngineHost.Text(result.StandardOutput), EngineHost.Text(result.StandardError)));
    }

    [Fact]
    public async Task IsConfinedAsInitIs()
    {
        foreach (var field in new[] { "CapBnd", "Seccomp", "NoNewPrivs" })
        {
            var own = await _host.ShellAsync(_id, $"grep {field}: /proc/self/status");
            Assert.Equal(await _host.ShellAsync(_id, $"grep {field}: /proc/1/status"), own);
        }

        Assert.Contains("2", await _host.ShellAsync(_id, "grep Seccomp: /proc/self/status"), StringComparison.Ordinal);
        foreach (var name in new[] { "pid", "mnt", "net", "user", "ipc", "uts", "cgroup" })
        {
            Assert.Equal(await _host.ShellAsync(_id, $"ls -l /proc/1/ns/{name} | grep -o '\\[.*'"), await _host.ShellAsync(_id, $"ls -l /proc/self/ns/{name} | grep -o '\\[.*'"));
        }

        Assert.Equal("", await _host.ShellAsync(_id, "grep -v ':/$' /proc/self/cgroup || true"));
        Assert.Equal("0 1 2 3", await _host.ShellAsync(_id, "echo $(ls /proc/self/fd)"));
    }

    [Fact]
    public async Task RunsAsAnotherUser()
    {
        var result = await ExecAsync(new ExecRequest { Command = ["id"], UserId = 1000, GroupId = 1001 });
        Assert.Equal("uid=1000 gid=1001", EngineHost.Text(result.StandardOutput).Trim());
    }

    [Theory]
    [InlineData("/no/such", 127)]
    [InlineData("nosuch", 127)]
    [InlineData("/etc/passwd", 126)]
    public async Task WhatCannotBeExecutedEndsAsInAShell(string program, int status) =>
        Assert.Equal(status, (await ExecAsync(new ExecRequest { Command = [program] })).ExitCode);

    [Fact]
    public async Task IsKilledAfterItsTimeWithItsChildren()
    {
        // Long enough for a slow machine to begin it.
        var result = await ExecAsync(new ExecRequest { Command = ["sh", "-c", "echo begun; sleep 4321 & sleep 4322"], Timeout = TimeSpan.FromSeconds(20) });
        Assert.Equal((137, "begun\n"), (result.ExitCode, EngineHost.Text(result.StandardOutput)));
        await EngineHost.UntilAsync("the end of its children", async () => await _host.ShellAsync(_id, "ps | grep -c 'sleep 432[1]'; true") == "0");
    }

    [Fact]
    public async Task IsKilledWhenTheCallerGivesUp()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => _host.Engine.ExecAsync(_id, new ExecRequest { Command = ["sleep", "4323"] }, patience.Token));
        await EngineHost.UntilAsync("the end", async () => await _host.ShellAsync(_id, "ps | grep -c 'sleep 432[3]'; true") == "0");
    }

    [Fact]
    public async Task OutputIsBoundedAndALongOneDoesNotStopTheCommand()
    {
        var result = await ExecAsync(new ExecRequest { Command = ["sh", "-c", "head -c 3000000 /dev/zero; echo over >&2"], MaxOutputBytes = 1000 });
        Assert.Equal((0, 1000, "over\n"), (result.ExitCode, result.StandardOutput.Length, EngineHost.Text(result.StandardError)));
    }

    [Fact]
    public async Task WhatTheCommandLeavesRunningDoesNotHoldItUp()
    {
        // Sleeps longer than anybody would wait: that the call returns at all shows that it does not wait for it.
        var watch = Stopwatch.StartNew();
        Assert.Equal(0, (await ExecAsync(new ExecRequest { Command = ["sh", "-c", "sleep 1000000 & true"], Timeout = TimeSpan.FromDays(1) })).ExitCode);
        Assert.True(watch.Elapsed < EngineHost.Grace, $"took {watch.Elapsed}");
    }

    [Fact]
    public async Task ManyAtOnce()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => ExecAsync(new ExecRequest { Command = ["sh", "-c", $"echo {i}; exit {i}"], Timeout = EngineHost.Grace })));
        Assert.Equal(Enumerable.Range(0, 40), results.Select(result => result.ExitCode));
        Assert.Equal(Enumerable.Range(0, 40).Select(i => $"{i}\n"), results.Select(result => EngineHost.Text(result.StandardOutput)));
    }

    private Task<ExecResult> ExecAsync(ExecRequest request) => _host.Engine.ExecAsync(_id, request, CancellationToken.None);
}
