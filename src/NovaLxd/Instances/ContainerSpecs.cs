using NovaLxd.Configuration;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>An instance as the driver layer is to see it. Pure: everything that is decided from Nova's objects is decided here.</summary>
internal sealed class ContainerSpecs(ServiceOptions service, LxdOptions lxd, CpuSets cpuSets)
{
    /// <summary>Labels that lead from a container back to its instance.</summary>
    public const string ProjectLabel = "project_id";

    /// <summary>
    /// cloud-init knows by init's environment that a container is a server of OpenStack (ds-identify: no DMI table says so here), and asks the metadata service.
    /// </summary>
    private const string ProductName = "OpenStack Nova";

    public const string DisplayNameLabel = "display_name";

    /// <exception cref="Outcomes.BuildAbortException">The flavor asks for what cannot be.</exception>
    public ContainerSpec From(Instance instance, string imageKey, NetworkInfo networkInfo, IReadOnlyList<InjectedFile> files, IReadOnlyList<DiskSpec> disks)
    {
        var size = SizeOf(instance.Flavor, disks);
        var hostname = instance.Hostname is { Length: > 0 } named ? named : instance.NameFrom(service.InstanceNameTemplate);
        return new ContainerSpec
        {
            Id = Guid.Parse(instance.Uuid),
            Name = instance.NameFrom(service.InstanceNameTemplate),
            Hostname = hostname,
            ImageKey = imageKey,
            RootDiskBytes = size.RootDiskBytes,
            Disks = size.Disks,
            Limits = size.Limits,
            Security = size.Security,
            Files = [.. GuestFiles.From(hostname, networkInfo), .. files],
            Environment = new Dictionary<string, string> { ["product_name"] = ProductName },
            Labels = new Dictionary<string, string>
            {
                [ProjectLabel] = instance.ProjectId ?? "",
                [DisplayNameLabel] = instance.DisplayName ?? "",
            },
        };
    }

    /// <exception cref="Outcomes.BuildAbortException">The flavor asks for what cannot be.</exception>
    public ContainerSize SizeOf(Flavor flavor, IReadOnlyList<DiskSpec> disks) => new()
    {
        RootDiskBytes = flavor.RootGb > 0 ? (long)flavor.RootGb << 30 : null,
        Disks = disks,
        Limits = FlavorLimits.Limits(flavor, lxd.PidsLimit, cpuSets.Shared),
        Security = FlavorLimits.Security(flavor, lxd.AllowPrivileged),
    };
}

/// <summary><c>[compute] cpu_shared_set</c>: processors that instances may use.</summary>
internal sealed class CpuSets
{
    public CpuSets(string? sharedSet)
    {
        Shared = sharedSet is { Length: > 0 } ? Format(Parse(sharedSet)) : null;
        SharedCount = Shared is null ? null : Parse(Shared).Count;
    }

    /// <summary>In the form of cpuset(7), without exclusions; null: all processors.</summary>
    public string? Shared { get; }

    public int? SharedCount { get; }

    /// <summary>"0-3,^2,8" to numbers (nova/virt/hardware.py:parse_cpu_spec).</summary>
    /// <exception cref="ConfigurationException"/>
    public static IReadOnlySet<int> Parse(string text)
    {
        var wanted = new SortedSet<int>();
        var refused = new HashSet<int>();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var range = part.TrimStart('^').Split('-', StringSplitOptions.TrimEntries);
            if (range.Length > 2 || !int.TryParse(range[0], out var first) || !int.TryParse(range[^1], out var last) || last < first)
            {
                throw new ConfigurationException($"[compute] cpu_shared_set = {text}: \"{part}\" is not a processor or a range of them (such as 0-3,^2,8)");
            }

            (part[0] == '^' ? (ISet<int>)refused : wanted).UnionWith(Enumerable.Range(first, last - first + 1));
        }

        wanted.ExceptWith(refused);
        return wanted.Count > 0 ? wanted : throw new ConfigurationException($"[compute] cpu_shared_set = {text}: no processor is left");
    }

    private static string Format(IReadOnlySet<int> numbers) => string.Join(',', numbers.Order());
}
