using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Instances;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.OpenStack.ProviderConfig;
using NovaLxd.Resources;
using NovaLxd.Images;
using NovaLxd.Transfer;

namespace NovaLxd.Tests.Fakes;

/// <summary>What the operations of a move are made of, beside what <see cref="TestPlane"/> has; the clients of the neighbours are the test's.</summary>
internal static class MoveParts
{
    internal static void AddMoves(this TestPlane plane, ServiceOptions service, TransferOptions? transfer = null) => plane.Services
        .AddSingleton(service).AddSingleton(new InstanceOptions()).AddSingleton(new NetworkOptions()).AddSingleton(new NeutronSectionOptions())
        .AddSingleton(new ResourceOptions()).AddSingleton(new FilterSchedulerOptions { TrackInstanceChanges = false }).AddSingleton(new WorkaroundOptions()).AddSingleton(new LxdOptions())
        .AddSingleton(new CpuSets(null)).AddSingleton<ControlPlane>()
        .AddSingleton(_ => ProviderConfiguration.Load("/nonexistent", Microsoft.Extensions.Logging.Abstractions.NullLogger<ProviderConfiguration>.Instance))
        .AddSingleton<InstanceEvents>().AddSingleton<InstancePlugging>().AddSingleton<InstancePower>().AddSingleton<ContainerSpecs>()
        .AddMetrics().AddSingleton(new Transfer.FakeTransfers()).AddSingleton<Virt.IContainerTransfers>(p => p.GetRequiredService<Transfer.FakeTransfers>())
        .AddSingleton(transfer ?? new TransferOptions()).AddSingleton<TransferCertificates>().AddSingleton<TransferMetrics>().AddSingleton<TransferSender>()
        .AddSingleton<InstanceImages>().AddSingleton<HostMoves>()
        .AddSingleton<EphemeralDisks>().AddSingleton<InstanceSize>().AddSingleton<ResizeRollback>().AddSingleton<ComputeCasts>()
        .AddSingleton<NetworkInfoReader>().AddSingleton<PortRequests>().AddSingleton<PortRelease>().AddSingleton<PortAllocation>()
        .AddSingleton<InfoCaches>().AddSingleton<InstancePorts>().AddSingleton<MovePorts>()
        .AddSingleton<ComputeNodeRecord>().AddSingleton<PlacementReporter>().AddSingleton<InstanceAllocations>().AddSingleton<SchedulerNotifier>()
        .AddSingleton<ServerGroupPolicy>().AddSingleton<ResourceTracker>();
}
