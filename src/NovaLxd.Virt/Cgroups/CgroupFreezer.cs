using System.Globalization;
using System.Runtime.InteropServices;
using NovaLxd.Virt.Kernel;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Cgroups;

/// <summary>
/// Freezes, thaws, kills and lists what runs in one directory and below, by v2's cgroup.freeze, cgroup.kill and cgroup.events (cgroup-v2.rst) or by v1's
/// freezer.state (freezer-subsystem.rst). On a v1 hierarchy without a freezer it can list and kill, but not freeze.
/// </summary>
internal sealed class CgroupFreezer(string directory, bool unified, string name)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private const int PauseMilliseconds = 2;

    /// <summary>After this the kill is repeated, for processes that were moved in meanwhile.</summary>
    private const int RepeatMilliseconds = 200;

    public bool Populated => unified ? ReadEvent("populated") : Processes().Count > 0;

    public bool IsFrozen() => unified ? ReadEvent("frozen") : ReadState() == "FROZEN";

    public void Freeze()
    {
        if (unified ? !WriteAndAwait("cgroup.freeze", "1", "frozen", true) : !WriteStateAndAwait("FROZEN"))
        {
            var running = Processes();
            Unfreeze();
            throw new ContainerStateException(
                $"Cgroup {name} did not freeze within {Patience.TotalSeconds} s and was thawed again; of its {running.Count} processes some wait in the kernel: {Describe(running)}.");
        }
    }

    public void Unfreeze()
    {
        if (unified ? !WriteAndAwait("cgroup.freeze", "0", "frozen", false) : !WriteStateAndAwait("THAWED"))
        {
            throw new ContainerStateException($"Cgroup {name} did not thaw within {Patience.TotalSeconds} s: is a cgroup above it frozen?");
        }
    }

    public void KillAll()
    {
        var start = TimeProvider.System.GetTimestamp();
        while (Populated)
        {
            if (TimeProvider.System.GetElapsedTime(start) > Patience)
            {
                throw new ContainerStateException(
                    $"Cgroup {name} still has processes {Patience.TotalSeconds} s after they were killed: {Describe(Processes())}.");
            }

            if (unified && CgroupFile.TryWrite(System.IO.Path.Combine(directory, "cgroup.kill"), "1") is var error && error != ENOENT)
            {
                if (error != 0 && error != ENODEV)
                {
                    throw new KernelException(error, "write", $"'1' to {directory}/cgroup.kill");
                }

                AwaitEvent("populated", false, RepeatMilliseconds);
            }
            else
            {
                KillFrozen();
                CgroupFile.Pause(PauseMilliseconds);
            }
        }

        if (unified)
        {
            _ = CgroupFile.TryWrite(System.IO.Path.Combine(directory, "cgroup.freeze"), "0");
        }
    }

    /// <summary>Ids in the directory and below, each once.</summary>
    public List<int> Processes()
    {
        var processes = new List<int>();
        var pending = new Stack<string>([directory]);
        while (pending.TryPop(out var next))
        {
            foreach (var line in (CgroupFile.ReadOrNull(System.IO.Path.Combine(next, "cgroup.procs")) ?? "").AsSpan().EnumerateLines())
            {
                if (int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
                {
                    processes.Add(pid);
                }
            }

            foreach (var child in CgroupRemoval.Children(next))
            {
                pending.Push(child);
            }
        }

        return processes;
    }

    /// <summary>
    /// Without cgroup.kill: what is frozen neither forks nor ends, so that the list is complete and no id in it is another process's by now. What is
    /// killed dies when it thaws. Where freezing does not succeed the kill is sent all the same, and repeated by the caller.
    /// </summary>
    private void KillFrozen()
    {
        _ = unified ? WriteAndAwait("cgroup.freeze", "1", "frozen", true) : ReadState() is null || WriteStateAndAwait("FROZEN");
        foreach (var pid in Processes())
        {
            if (kill(pid, SIGKILL) != 0 && Marshal.GetLastPInvokeError() is var error && error != ESRCH)
            {
                throw new KernelException(error, "kill", pid.ToString(CultureInfo.InvariantCulture));
            }
        }

        _ = unified ? WriteAndAwait("cgroup.freeze", "0", "frozen", false) : ReadState() is null || WriteStateAndAwait("THAWED");
    }

    private bool WriteAndAwait(string file, string value, string key, bool wanted)
    {
        CgroupFile.Write(System.IO.Path.Combine(directory, file), value);
        return AwaitEvent(key, wanted, (int)Patience.TotalMilliseconds);
    }

    /// <summary>Waits until cgroup.events says so, or the cgroup has gone; false after the time.</summary>
    private bool AwaitEvent(string key, bool wanted, int milliseconds)
    {
        var path = System.IO.Path.Combine(directory, "cgroup.events");
        using var events = CgroupFile.Open(path, O_RDONLY | O_CLOEXEC);
        if (events.IsInvalid)
        {
            return true;
        }

        var start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var content = CgroupFile.ReadAll(events, path);
            if (content is null || content.Contains($"{key} {(wanted ? 1 : 0)}", StringComparison.Ordinal))
            {
                return true;
            }

            var left = milliseconds - (int)TimeProvider.System.GetElapsedTime(start).TotalMilliseconds;
            if (left <= 0)
            {
                return false;
            }

            CgroupFile.WaitForEvent(events, left);
        }
    }

    private bool ReadEvent(string key) =>
        CgroupFile.ReadOrNull(System.IO.Path.Combine(directory, "cgroup.events"))?.Contains($"{key} 1", StringComparison.Ordinal) ?? false;

    /// <summary>Null where the hierarchy has no freezer.</summary>
    private string? ReadState() => CgroupFile.ReadOrNull(System.IO.Path.Combine(directory, "freezer.state"))?.Trim();

    /// <summary>v1 says FREEZING until the last one stands still, and looks again only when it is read.</summary>
    private bool WriteStateAndAwait(string state)
    {
        CgroupFile.Write(System.IO.Path.Combine(directory, "freezer.state"), state);
        var start = TimeProvider.System.GetTimestamp();
        while (ReadState() is { } now && now != state)
        {
            if (TimeProvider.System.GetElapsedTime(start) > Patience)
            {
                return false;
            }

            CgroupFile.Pause(PauseMilliseconds);
        }

        return true;
    }

    /// <summary>The first few processes with name and state, for a message.</summary>
    private static string Describe(List<int> processes) => string.Join(", ", processes.Take(5).Select(pid =>
    {
        var stat = CgroupFile.ReadOrNull($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat") ?? "";
        var end = stat.LastIndexOf(')');
        return end > 0 ? $"{stat[..(end + 1)]} in state {stat[(end + 2)..(end + 3)]}" : pid.ToString(CultureInfo.InvariantCulture);
    }));
}
