namespace NovaLxd.TestCloud.Conductor;

/// <summary>What differs between the releases a conductor can be of.</summary>
/// <param name="ServiceVersion">SERVICE_VERSION of its services (nova/objects/service.py).</param>
/// <param name="OldestCompute">The oldest compute service it accepts beside itself.</param>
/// <param name="Versions">Newest version it knows of the objects that changed between releases, and of some that did not.</param>
public sealed record FakeRelease(int ServiceVersion, int OldestCompute, IReadOnlyDictionary<string, string> Versions)
{
    public static FakeRelease Zed { get; } = new(64, 61, new Dictionary<string, string>
    {
        ["Instance"] = "2.7",
        ["Migration"] = "1.7",
        ["Flavor"] = "1.2",
        ["Service"] = "1.22",
        ["ComputeNode"] = "1.19",
        ["InstanceInfoCache"] = "1.5",
    });

    /// <summary>2026.1.</summary>
    public static FakeRelease Gazpacho { get; } = Zed with
    {
        ServiceVersion = 72,
        OldestCompute = 68,
        Versions = new Dictionary<string, string>(Zed.Versions) { ["Instance"] = "2.8", ["Migration"] = "1.8" },
    };
}
