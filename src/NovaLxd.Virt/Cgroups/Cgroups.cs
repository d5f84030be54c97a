using System.Globalization;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt.Cgroups;

/// <summary>The hierarchies mounted on this host.</summary>
internal sealed class Cgroups : ICgroups
{
    private readonly IReadOnlyList<(string MountPoint, string Controllers, bool Unified)> _hierarchies;

    private Cgroups(IReadOnlyList<(string, string, bool)> hierarchies) => _hierarchies = hierarchies;

    public string Layout => _hierarchies.All(h => h.Unified) ? "v2" : _hierarchies.Any(h => h.Unified) ? "hybrid" : "v1";

    public IReadOnlyList<string> Warnings => [];

    public static Cgroups Detect() => new(
        [.. File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' '))
            .Select(f => (Fields: f, Dash: Array.IndexOf(f, "-")))
            .Where(m => m.Fields[m.Dash + 1] is "cgroup" or "cgroup2" && m.Fields[3] == "/")
            .Select(m => (m.Fields[4], Path.GetFileName(m.Fields[4]), m.Fields[m.Dash + 1] == "cgroup2"))
            .OrderByDescending(h => h.Item3)]);

    public ContainerCgroup Create(string parent, string name, ResourceLimits limits, IdMap? owner)
    {
        var cgroup = Open(parent, name);
        cgroup.Make(limits, owner);
        return cgroup;
    }

    public ContainerCgroup Open(string parent, string name) => new(_hierarchies, parent, name);

    public void RemoveParent(string parent)
    {
        foreach (var (mountPoint, _, _) in _hierarchies)
        {
            var folder = Path.Combine(mountPoint, parent);
            if (Directory.Exists(folder) && Directory.GetDirectories(folder).Length == 0)
            {
                Directory.Delete(folder);
            }
        }
    }

    internal static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
