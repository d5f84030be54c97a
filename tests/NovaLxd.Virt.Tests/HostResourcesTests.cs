using System.Diagnostics;

namespace NovaLxd.Virt.Tests;

public sealed class HostResourcesTests
{
    [Fact]
    public async Task AProcessLeftBehindIsNamed()
    {
        var before = HostResources.Take("sleep 4711");
        using (var sleep = await StartAsync("4711"))
        {
            Assert.Contains($"+ process {sleep.Id} sleep 4711", before.DifferenceTo(HostResources.Take("sleep 4711")), StringComparison.Ordinal);
            sleep.Kill();
            await sleep.WaitForExitAsync();
        }

        await before.AssertUnchangedAsync();
    }

    [Fact]
    public async Task AChangeFailsTheTest()
    {
        using var sleep = await StartAsync("4712");
        var before = HostResources.Take("sleep 4712");
        Assert.Single(before.Lines);
        sleep.Kill();
        await sleep.WaitForExitAsync();

        var failure = await Assert.ThrowsAnyAsync<Exception>(() => before.AssertUnchangedAsync(TimeSpan.FromMilliseconds(1)));
        Assert.Contains($"- process {sleep.Id} sleep 4712", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryMountAndLinkIsListedAndMarksChoose()
    {
        var all = HostResources.Take().Lines;
        Assert.Contains(all, line => line.StartsWith("mount /proc proc", StringComparison.Ordinal));
        Assert.Contains(all, line => line.StartsWith("link lo ", StringComparison.Ordinal));
        Assert.DoesNotContain(HostResources.Take("no such thing").Lines, line => line.StartsWith("mount", StringComparison.Ordinal));
    }

    /// <summary>With its command line, which the kernel shows a moment after exec has told the parent that it succeeds.</summary>
    private static async Task<Process> StartAsync(string seconds)
    {
        var sleep = Process.Start(new ProcessStartInfo("sleep", seconds))!;
        await Engine.EngineHost.UntilAsync("its command line", async () => await File.ReadAllTextAsync($"/proc/{sleep.Id}/cmdline") == $"sleep\0{seconds}\0");
        return sleep;
    }
}

[Trait("Lane", "root")]
public sealed class HostResourcesRootTests
{
    [Fact]
    public async Task CgroupsAreSeen()
    {
        RootLane.Require();
        var mount = File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')[4]).FirstOrDefault(
            path => File.Exists(Path.Combine(path, "cgroup.procs")));
        Assert.True(mount is not null, "No cgroup hierarchy is mounted here.");
        var name = $"nlt-resources-{Environment.ProcessId}";
        var before = HostResources.Take(name);
        Directory.CreateDirectory(Path.Combine(mount, name));
        try
        {
            Assert.Equal($"+ cgroup {Path.GetFileName(mount)}:/{name}\n", before.DifferenceTo(HostResources.Take(name)));
        }
        finally
        {
            Directory.Delete(Path.Combine(mount, name));
        }

        await before.AssertUnchangedAsync();
    }
}
