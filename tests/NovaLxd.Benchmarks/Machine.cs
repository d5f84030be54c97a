using System.Runtime.InteropServices;

namespace NovaLxd.Benchmarks;

/// <summary>On what the figures were measured, and how busy it was.</summary>
internal static class Machine
{
    public static string Describe()
    {
        var load = File.ReadAllText("/proc/loadavg").Split(' ');
        var kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 30;
        var processor = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim();
        return $"{Environment.ProcessorCount} cores ({processor ?? "unknown"}), {memory} GiB, Linux {kernel} {RuntimeInformation.OSArchitecture}, "
            + $"{RuntimeInformation.FrameworkDescription}, load {load[0]} {load[1]} {load[2]}";
    }
}
