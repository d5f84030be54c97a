using NovaLxd.Virt.Cgroups;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Tests.Cgroups;

/// <summary>What is written to and read from a v2 hierarchy with all controllers, on a tree of plain files.</summary>
public sealed class FakeUnifiedTreeTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("nlt-cgroup2-").FullName;
    private readonly CgroupTree _tree;

    public FakeUnifiedTreeTests()
    {
        Directory.CreateDirectory(Path.Combine(_root, "novalxd/c1"));
        Put("cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n");
        Put("cgroup.subtree_control", "memory\n");
        _tree = Virt.Cgroups.Cgroups.Detect([$"30 23 0:26 / {_root} rw - cgroup2 cgroup2 rw"], new StorageDevice("254:0", null));
    }

    public void Dispose() => Directory.Delete(_root, true);

    [Fact]
    public void ControllersAreEnabledForChildrenWhereTheyAreNotYet()
    {
        CgroupTree.EnableControllers(_root, _tree.Hierarchies[0]);
        Assert.Equal("+cpu +cpuset +pids +io +hugetlb\n", Get("cgroup.subtree_control"));
    }

    [Fact]
    public void AChangeOfLimitsWritesEveryFile()
    {
        foreach (var file in new[] { "cpu.max", "cpu.weight", "cpuset.cpus", "memory.max", "memory.swap.max", "pids.max", "io.max" })
        {
            Put($"novalxd/c1/{file}", ""); // cgroupfs has no old bytes behind the new ones
        }

        var cgroup = _tree.Open("novalxd", "c1");
        cgroup.Apply(new ResourceLimits { Cpus = 2, MemoryBytes = 1 << 30, SwapBytes = 0, DiskReadBytesPerSecond = 5 });

        Assert.Equal("200000 100000\n", Get("novalxd/c1/cpu.max"));
        Assert.Equal("100\n", Get("novalxd/c1/cpu.weight"));
        Assert.Equal("\n", Get("novalxd/c1/cpuset.cpus"));
        Assert.Equal("1073741824\n", Get("novalxd/c1/memory.max"));
        Assert.Equal("0\n", Get("novalxd/c1/memory.swap.max"));
        Assert.Equal("max\n", Get("novalxd/c1/pids.max"));
        Assert.Equal("254:0 rbps=5 wbps=max riops=max wiops=max\n", Get("novalxd/c1/io.max"));
        Assert.Empty(cgroup.Unenforced);
    }

    [Fact]
    public void ALimitWithoutAFileIsReportedAndTheOthersAreSet()
    {
        Put("novalxd/c1/pids.max", "");
        var cgroup = _tree.Open("novalxd", "c1");
        cgroup.SetLimits(new ResourceLimits { MemoryBytes = 4096, Pids = 7 }, reset: false);
        Assert.Equal("7\n", Get("novalxd/c1/pids.max"));
        Assert.Contains("memory.max=4096", Assert.Single(cgroup.Unenforced), StringComparison.Ordinal);
    }

    [Fact]
    public void AValueThatDoesNotStickIsAnError()
    {
        // Every write to /dev/null succeeds and nothing of it is ever read: the kernel that took the value and changed it.
        File.CreateSymbolicLink(Path.Combine(_root, "novalxd/c1/pids.max"), "/dev/null");
        var failure = Assert.Throws<ContainerStateException>(
            () => _tree.Open("novalxd", "c1").SetLimits(new ResourceLimits { Pids = 7 }, reset: false));
        Assert.Contains("pids.max reads '' after '7'", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ARefusedValueIsAnErrorThatNamesFileAndValue()
    {
        Directory.CreateDirectory(Path.Combine(_root, "novalxd/c1/pids.max"));
        var failure = Assert.Throws<KernelException>(
            () => _tree.Open("novalxd", "c1").SetLimits(new ResourceLimits { Pids = 7 }, reset: false));
        Assert.Contains("'7' to ", failure.Message, StringComparison.Ordinal);
        Assert.Contains("novalxd/c1/pids.max", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CountersAreRead()
    {
        Put("novalxd/c1/cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n");
        Put("novalxd/c1/memory.current", "1048576\n");
        Put("novalxd/c1/memory.max", "max\n");
        Put("novalxd/c1/pids.current", "12\n");
        Put("novalxd/c1/io.stat", "7:0 rbytes=100 wbytes=2000 rios=1 wios=4 dbytes=0 dios=0\n254:0 rbytes=90 wbytes=1 rios=2 wios=1 dbytes=0 dios=0\n");
        Assert.Equal(
            new ContainerUsage
            {
                CpuNanoseconds = 1_500_000,
                MemoryBytes = 1 << 20,
                Processes = 12,
                DiskReadBytes = 100,
                DiskWriteBytes = 2000,
                DiskReadOperations = 2,
                DiskWriteOperations = 4,
            },
            _tree.Open("novalxd", "c1").ReadUsage() with { Ports = new ContainerUsage().Ports });
    }

    [Fact]
    public void ProcessesOfChildrenCount()
    {
        Put("novalxd/c1/cgroup.procs", "10\n11\n");
        Directory.CreateDirectory(Path.Combine(_root, "novalxd/c1/init.scope"));
        Put("novalxd/c1/init.scope/cgroup.procs", "12\n");
        Assert.Equal([10, 11, 12], _tree.Open("novalxd", "c1").Processes().Order());
        Assert.Empty(_tree.Open("novalxd", "gone").Processes());
    }

    private void Put(string file, string content) => File.WriteAllText(Path.Combine(_root, file), content);

    private string Get(string file) => File.ReadAllText(Path.Combine(_root, file));
}

public sealed class BlkioParserTests
{
    [Fact]
    public void LoopDeviceAndDiskAreNotAddedUp() => Assert.Equal(
        (300, 50),
        CgroupUsageReader.ParseBlkio("7:0 Read 300\n7:0 Write 20\n7:0 Total 320\n254:0 Read 100\n254:0 Write 50\n254:0 Discard 9\nTotal 470\n"));
}
