namespace NovaLxd.Benchmarks;

/// <summary>How the functional tests' site is set up to be measured.</summary>
internal static class BenchmarkSite
{
    /// <summary>As on an operator's host, not as in a test: no debug messages, and metrics collected.</summary>
    public static IReadOnlyList<string> Settings => ["debug = false", "[lxd]", "metrics = true"];
}
