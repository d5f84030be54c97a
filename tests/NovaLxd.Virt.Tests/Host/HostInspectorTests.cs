using NovaLxd.Virt.Host;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests.Host;

public sealed class HostInspectorTests : IDisposable
{
    private static readonly VirtOptions Options = new() { StateDirectory = "/nowhere" };
    private readonly FakeHost _host = new();

    public void Dispose() => _host.Dispose();

    [Fact]
    public async Task AHostIsDescribed()
    {
        _host.CgroupWarnings.Add("No cgroup hierarchy has the io controller.");
        var host = await _host.Inspect(Options).DescribeAsync(new FakeStorage(new Journal()), CancellationToken.None);
        Assert.Equal((4, 1_024_000, 409_600), (host.Processors, host.MemoryBytes, host.MemoryUsedBytes));
        Assert.Equal((1000, 400, "6.1.0-28-amd64"), (host.DiskBytes, host.DiskUsedBytes, host.KernelRelease));
        Assert.Equal(("Intel", 1, 2, 2), (host.Cpu.Vendor, host.Cpu.Sockets, host.Cpu.CoresPerSocket, host.Cpu.ThreadsPerCore));
        Assert.Equal(["fpu", "sse2"], host.Cpu.Flags);
        Assert.Superset(new HashSet<string> { "cgroup-v2", "lxcfs", "apparmor", "disk-limit", "idmapped-mounts" }, host.Abilities.ToHashSet());
        Assert.Equal(_host.CgroupWarnings, host.Warnings);
    }

    [Fact]
    public async Task WhatIsMissingButNotNeededIsAWarning()
    {
        _host.Put("proc/self/mountinfo", "");
        _host.Remove("sys/module/apparmor/parameters/enabled");
        _host.Remove("sys/kernel/security/apparmor/profiles");
        var host = await _host.Inspect(Options).DescribeAsync(new FakeStorage(new Journal()), CancellationToken.None);
        Assert.DoesNotContain("lxcfs", host.Abilities);
        Assert.DoesNotContain("apparmor", host.Abilities);
        Assert.Contains(host.Warnings, warning => warning.Contains("/var/lib/lxcfs", StringComparison.Ordinal));
        Assert.Contains(host.Warnings, warning => warning.Contains("AppArmor is not active", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AProfileThatIsNotLoadedIsAWarningAndNoAbility()
    {
        _host.Put("sys/kernel/security/apparmor/profiles", "novalxd-container-of-another (enforce)\n");
        var host = await _host.Inspect(Options).DescribeAsync(new FakeStorage(new Journal()), CancellationToken.None);
        Assert.DoesNotContain("apparmor", host.Abilities);
        Assert.Contains("apparmor_parser -r", Assert.Single(host.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void AFitHostPasses() => _host.Inspect(Options).Check();

    [Fact]
    public void EveryFaultIsNamed()
    {
        _host.Put("proc/sys/kernel/osrelease", "5.18.9\n");
        _host.Put("proc/sys/user/max_user_namespaces", "0\n");
        _host.Remove("proc/sys/kernel/seccomp/actions_avail");
        var failure = Assert.Throws<HostUnsuitableException>(_host.Inspect(Options, isRoot: false).Check);
        Assert.All(
            new[] { "as root", "5.18 is too old", "max_user_namespaces", "CONFIG_SECCOMP_FILTER" },
            words => Assert.Contains(words, failure.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("6.1.0-28-amd64", 6, 1)]
    [InlineData("6.12-rc1", 6, 12)]
    [InlineData("5.19", 5, 19)]
    [InlineData("7", 7, 0)]
    public void AReleaseIsAVersion(string release, int major, int minor) => Assert.Equal(new Version(major, minor), HostInspector.ParseKernel(release));
}

public sealed class ProcFilesTests
{
    [Fact]
    public void TwoSocketsWithThreads()
    {
        var text = string.Concat(Enumerable.Range(0, 8).Select(i =>
            $"processor\t: {i}\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nphysical id\t: {i / 4}\nsiblings\t: 4\ncpu cores\t: 2\nflags\t\t: fpu svm\n\n"));
        var cpu = ProcCpuInfo.Parse(text);
        Assert.Equal(("AMD", "AMD EPYC", 2, 2, 2), (cpu.Vendor, cpu.Model, cpu.Sockets, cpu.CoresPerSocket, cpu.ThreadsPerCore));
    }

    [Fact]
    public void AnArmProcessorHasNoTopologyThere()
    {
        var cpu = ProcCpuInfo.Parse("processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\nprocessor\t: 1\nFeatures\t: fp asimd\n\n");
        Assert.Equal(("ARM", "0xd0c", 1, 2, 1), (cpu.Vendor, cpu.Model, cpu.Sockets, cpu.CoresPerSocket, cpu.ThreadsPerCore));
        Assert.Equal(["fp", "asimd"], cpu.Flags);
    }

    [Fact]
    public void ThisMachinesOwnFilesAreRead()
    {
        Assert.NotEmpty(ProcCpuInfo.Parse(File.ReadAllText("/proc/cpuinfo")).Flags);
        var (total, used) = ProcMemInfo.Parse(File.ReadAllText("/proc/meminfo"));
        Assert.InRange(used, 1, total);
    }
}
