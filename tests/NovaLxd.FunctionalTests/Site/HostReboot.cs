namespace NovaLxd.FunctionalTests.Site;

/// <summary>What is left of a host when it loses its power and comes back: the disk, and on it the id of a boot that is over.</summary>
internal static class HostReboot
{
    private const string BootIdFile = "/proc/sys/kernel/random/boot_id";
    private static readonly string EarlierBoot = Guid.NewGuid().ToString();

    /// <summary>Ends everything of the site's program but its files; the program is to be started again.</summary>
    public static async Task SimulateAsync(ComputeSite site)
    {
        // The service first and the supervisor next, so that neither puts away what the others leave.
        await site.Program.KillAsync();
        if (site.SupervisorPid is { } supervisor)
        {
            await KillAsync(supervisor);
            await site.UntilAsync("the supervisor is gone", () => Task.FromResult(site.SupervisorPid is null));
        }

        await site.UntilAsync("all guests are gone", async () =>
        {
            var left = site.GuestProcesses().ToList();
            foreach (var pid in left)
            {
                await KillAsync(pid);
            }

            return left.Count == 0;
        });
        foreach (var mount in File.ReadLines("/proc/self/mountinfo").Select(l => l.Split(' ')[4]).Where(m => m.StartsWith(site.Folder, StringComparison.Ordinal))
            .Reverse().ToList())
        {
            // What was killed lets go of it behind our back.
            await site.UntilAsync($"{mount} is unmounted", () => Command.SucceedsAsync("umount", mount));
        }

        await site.UntilAsync("all cgroups are gone", async () =>
        {
            await Command.RunAsync(
                "sh", "-c", $"for top in /sys/fs/cgroup/{site.Mark} /sys/fs/cgroup/*/{site.Mark}; do find $top -depth -type d -exec rmdir {{}} \\; 2>/dev/null; done; true");
            return !Directory.GetDirectories("/sys/fs/cgroup").Prepend("/sys/fs/cgroup").Any(top => Directory.Exists(Path.Combine(top, site.Mark)));
        });
        foreach (var port in site.Plane.PortsSeen)
        {
            await DeleteLinkAsync(("tap" + port)[..14]);
        }

        await DeleteLinkAsync("brq" + site.Plane.NetworkId[..11]);
        Directory.Delete(Path.Combine(site.Folder, "run"), recursive: true);
        ForgetBoot(site.StateFolder);
    }

    private static void ForgetBoot(string folder)
    {
        var boot = File.ReadAllText(BootIdFile).Trim();
        foreach (var file in Directory.EnumerateFiles(folder, "*.json", SearchOption.AllDirectories))
        {
            var text = File.ReadAllText(file);
            if (text.Contains(boot, StringComparison.Ordinal))
            {
                File.WriteAllText(file, text.Replace(boot, EarlierBoot, StringComparison.Ordinal));
            }
        }
    }

    /// <summary>It may have ended meanwhile.</summary>
    private static Task KillAsync(int pid) => Command.RunAsync("sh", "-c", $"kill -9 {pid} 2>/dev/null || true");

    private static Task DeleteLinkAsync(string name) => Command.RunAsync("sh", "-c", $"ip link delete {name} 2>/dev/null || true");
}
