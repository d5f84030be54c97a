using System.Globalization;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>kill -9 of the service while it makes an image: the guest goes on, and nothing is left of the attempt.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class SnapshotKillTests(Broker broker) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);
    private ComputeSite _site = null!;
    private Server _server = null!;
    private int _init;

    private string Captures => Path.Combine(_site.StateFolder, "instances", "captures");

    public async Task InitializeAsync()
    {
        _site = await ComputeSite.StartAsync(broker.Rabbit, run: false);
        _site.Program.Start();
        await _site.ProgramServesAsync();
        _server = await _site.CreateActiveAsync();
        _init = Assert.Single(_site.Guests());
    }

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    [Theory]
    [InlineData("PATCH", "/v2/images")]
    [InlineData("PUT", "/file")]
    public async Task AKilledSnapshotIsForgotten(string method, string path)
    {
        _site.Plane.Cloud.Glance.Faults.Add(new Fault(method, path) { Delay = Long, Times = 1 });
        await SendAsync();
        await _site.UntilAsync($"{method} is asked", () => Task.FromResult(
            _site.Plane.Cloud.Glance.Requests.Any(r => r.Method == method && r.Path.Contains(path, StringComparison.Ordinal))));
        Assert.NotEmpty(Directory.EnumerateFileSystemEntries(Captures));

        await _site.Program.KillAsync();
        await _site.RestartProgramAsync();

        await AssertAsBeforeAsync();
    }

    /// <summary>So many files that their names are not read in an instant; an attempt that was too quick for us is made again.</summary>
    [Fact]
    public async Task AGuestThatWasFrozenJustThenIsThawed()
    {
        await GuestOutput.ReadInGuestAsync(_init, "cd /root && i=0 && while [ $i -lt 30000 ]; do echo $i > $i; i=$((i + 1)); done");
        string action;
        do
        {
            action = await SendAsync();
        }
        while (!await KilledWhileFrozenAsync(action));

        Assert.True(IsFrozen());
        await _site.RestartProgramAsync();

        await AssertAsBeforeAsync();
    }

    private async Task<string> SendAsync()
    {
        var image = _site.Plane.Cloud.Glance.QueueImage("copy", project: ControlPlane.Project);
        return await _site.SendAsync(_server, "snapshot_instance", "image_snapshot_pending", new JObject { ["image_id"] = image });
    }

    /// <returns>False: the action came to its end and we did not see it freeze.</returns>
    private async Task<bool> KilledWhileFrozenAsync(string action)
    {
        while (Result(action) is null)
        {
            if (IsFrozen())
            {
                await _site.Program.KillAsync();
                if (IsFrozen())
                {
                    return true;
                }

                await _site.RestartProgramAsync();
                return false;
            }

            await Task.Yield();
        }

        return false;
    }

    private string? Result(string action) => _site.Plane.Conductor.Locked(c => c.Actions.FindLast(a => a.RequestId == action)?.Events.LastOrDefault()?.Result);

    private async Task AssertAsBeforeAsync()
    {
        await _site.StateAsync(_server, "active");
        Assert.False(IsFrozen());
        Assert.Equal(_init, Assert.Single(_site.Guests()));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Captures));
        _site.Plane.Cloud.Glance.Faults.Clear();
        Assert.Equal("Success", await _site.FinishedAsync(await SendAsync()));
        Assert.False(IsFrozen());
        Assert.Equal("Success", await _site.DeleteAsync(_server));
        await _site.AssertNothingLeftAsync(_server);
    }

    /// <summary>By v1's freezer or by v2.</summary>
    private bool IsFrozen()
    {
        foreach (var line in File.ReadAllLines($"/proc/{_init.ToString(CultureInfo.InvariantCulture)}/cgroup"))
        {
            var parts = line.Split(':', 3);
            string[] files = parts[1] switch
            {
                "freezer" => [$"/sys/fs/cgroup/freezer{parts[2]}/freezer.state"],
                "" => [$"/sys/fs/cgroup{parts[2]}/cgroup.events", $"/sys/fs/cgroup/unified{parts[2]}/cgroup.events"],
                _ => [],
            };
            if (files.Where(File.Exists).Select(File.ReadAllText).Any(t => t.Contains("FROZEN", StringComparison.Ordinal) || t.Contains("frozen 1", StringComparison.Ordinal)))
            {
                return true;
            }
        }

        return false;
    }
}
