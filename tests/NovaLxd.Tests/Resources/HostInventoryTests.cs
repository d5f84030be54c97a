using NovaLxd.OpenStack.Placement.Models;
using NovaLxd.Resources;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Resources;

public class HostInventoryTests
{
    private static readonly HostDescription Host = new()
    {
        Processors = 8,
        MemoryBytes = 16L << 30,
        MemoryUsedBytes = 1L << 30,
        DiskBytes = 100L << 30,
        DiskUsedBytes = 30L << 30,
        Architecture = "x86_64",
        KernelRelease = "6.1.0-18-amd64",
        Cpu = new CpuInfo("GenuineIntel", "Xeon", 1, 4, 2, ["sse4_2", "avx2", "unknown_flag"]),
        Abilities = new HashSet<string> { "cgroup-v2" },
    };

    [Fact]
    public void TheInventoryIsTheHostLessWhatIsReserved()
    {
        var inventories = HostInventory.From(Host, sharedCpus: 6).ToPlacement(
            new ResourceOptions { ReservedHostCpus = 1, ReservedHostDiskMb = 1500 }, new InitialRatios(16, 1.5, 1), new Dictionary<string, Inventory>());
        Assert.Equal((6, 1, 16.0), (inventories["VCPU"].Total, inventories["VCPU"].Reserved, inventories["VCPU"].AllocationRatio));
        Assert.Equal((16384, 512, 1.5), (inventories["MEMORY_MB"].Total, inventories["MEMORY_MB"].Reserved, inventories["MEMORY_MB"].AllocationRatio));
        Assert.Equal((100, 2, 1.0), (inventories["DISK_GB"].Total, inventories["DISK_GB"].Reserved, inventories["DISK_GB"].AllocationRatio));
    }

    [Fact]
    public void ARatioAnAdministratorSetInPlacementStaysUnlessTheFileHasOne()
    {
        var present = new Dictionary<string, Inventory> { ["VCPU"] = new(8) { AllocationRatio = 3.0 }, ["MEMORY_MB"] = new(8) { AllocationRatio = 2.0 } };
        var inventories = HostInventory.From(Host, null).ToPlacement(
            new ResourceOptions { RamAllocationRatio = 1.25 }, new InitialRatios(16, 1.5, 1), present);
        Assert.Equal(3.0, inventories["VCPU"].AllocationRatio);
        Assert.Equal(1.25, inventories["MEMORY_MB"].AllocationRatio);
    }

    [Fact]
    public void InitialRatiosFollowTheRelease()
    {
        Assert.Equal(new InitialRatios(16, 1.5, 1), InitialRatios.For(new ResourceOptions(), 64));
        Assert.Equal(new InitialRatios(4, 1, 1), InitialRatios.For(new ResourceOptions(), 66));
        Assert.Equal(new InitialRatios(2, 1, 1), InitialRatios.For(new ResourceOptions { InitialCpuAllocationRatio = 2 }, 72));
    }

    [Fact]
    public void TraitsAreTheHostsAndForeignOnesAreNotOurs()
    {
        var traits = HostTraits.Of(Host, serviceDisabled: true, serviceVersion: 73);
        Assert.Superset(
            new HashSet<string>
            {
                "COMPUTE_NODE", "CUSTOM_SYSTEM_CONTAINER", "CUSTOM_SYSTEM_CONTAINER_CGROUP_V2", "HW_CPU_X86_SSE42", "HW_CPU_X86_AVX2",
                "COMPUTE_STATUS_DISABLED", "OWNER_NOVA", "COMPUTE_IMAGE_TYPE_RAW",
            },
            traits.ToHashSet());
        Assert.All(traits, t => Assert.True(HostTraits.IsOwned(t), t));
        Assert.False(HostTraits.IsOwned("CUSTOM_RACK_7"));
        Assert.DoesNotContain("COMPUTE_STATUS_DISABLED", HostTraits.Of(Host, false, 64));
        Assert.DoesNotContain("OWNER_NOVA", HostTraits.Of(Host, false, 64));
    }

    [Theory]
    [InlineData("6.1.0-18-amd64", 6001000)]
    [InlineData("6.18.44-fc", 6018044)]
    [InlineData("5.15", 5015000)]
    public void TheKernelsVersionIsANumber(string release, int version) => Assert.Equal(version, ComputeNodeRecord.KernelVersion(release));

    [Fact]
    public void StatisticsAreNovas()
    {
        var instance = new TrackedInstance(new NovaLxd.Resources.ResourceUsage(1, 64, 1), "m1.nano", "active", null, null, "p1");
        var stats = NodeStats.From([instance, instance with { VmState = "building", TaskState = "spawning" }], failedBuilds: 2);
        Assert.Equal("2", stats["failed_builds"]);
        Assert.Equal("2", stats["num_instances"]);
        Assert.Equal("1", stats["num_vm_active"]);
        Assert.Equal("1", stats["num_task_None"]);
        Assert.Equal("1", stats["num_task_spawning"]);
        Assert.Equal("2", stats["num_os_type_None"]);
        Assert.Equal("2", stats["num_proj_p1"]);
        Assert.Equal("1", stats["io_workload"]);
    }

    [Fact]
    public void AFlavorFitsAsOftenAsItsScarcestResource() => Assert.Equal(3, new NovaLxd.Resources.ResourceUsage(1, 512, 10).FitsInto((8, 1700, 100)));
}
