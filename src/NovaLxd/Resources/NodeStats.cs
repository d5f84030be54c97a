using System.Globalization;

namespace NovaLxd.Resources;

/// <summary>ComputeNode.stats: counts that schedulers weigh (nova/compute/stats.py). Pure.</summary>
internal static class NodeStats
{
    public const string FailedBuilds = "failed_builds";

    public static IReadOnlyDictionary<string, string> From(IReadOnlyCollection<TrackedInstance> instances, int failedBuilds)
    {
        var stats = new SortedDictionary<string, string>(StringComparer.Ordinal) { [FailedBuilds] = Text(failedBuilds) };
        if (instances.Count == 0)
        {
            return stats;
        }

        void Count(string prefix, Func<TrackedInstance, string?> of)
        {
            foreach (var group in instances.GroupBy(i => of(i) ?? "None"))
            {
                stats[prefix + group.Key] = Text(group.Count());
            }
        }

        Count("num_vm_", i => i.VmState);
        Count("num_task_", i => i.TaskState);
        Count("num_os_type_", i => i.OsType);
        Count("num_proj_", i => i.ProjectId);
        stats["num_instances"] = Text(instances.Count);
        stats["io_workload"] = Text(instances.Count(i => i.LoadsDisk));
        return stats;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
