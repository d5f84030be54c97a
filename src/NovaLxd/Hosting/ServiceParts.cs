using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NovaLxd.Conductor;
using NovaLxd.Configuration;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Metadata;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.ProviderConfig;
using NovaLxd.Operations;
using NovaLxd.Operations.Build;
using NovaLxd.Periodic;
using NovaLxd.Resources;
using NovaLxd.Rpc;
using NovaLxd.Startup;
using NovaLxd.Telemetry;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Hosting;

/// <summary>What the service is made of, from the outside in.</summary>
internal static class ServiceParts
{
    public static void Add(IServiceCollection services, OsloConfig config, IReadOnlyList<string> files)
    {
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(new ConfigurationFiles(files));
        services.AddSingleton(p => new ServiceHost(p.GetRequiredService<ServiceOptions>().Host));
        AddMessaging(services);
        AddNeighbours(services, config);
        AddDomain(services);
        AddTransfer(services);
        AddPeriodic(services);
        services.AddHostedService<ComputeHost>();
        services.AddHostedService<IdleMemory>();
        services.AddSingleton<ServiceMetrics>();
    }

    /// <summary>Nova's bus: what comes in by the table, what goes out to conductor, scheduler and listeners.</summary>
    private static void AddMessaging(IServiceCollection services)
    {
        services.AddSingleton(p => new RabbitTransport(
            p.GetRequiredService<MessagingOptions>(), p.GetRequiredService<RabbitOptions>(), p.GetRequiredService<ILoggerFactory>()));
        services.AddSingleton<RpcClient>();
        services.AddSingleton<IRpcTransport, MessagingTransport>();
        services.AddSingleton(p => p.GetRequiredService<NotificationsSection>().With(p.GetRequiredService<OsloNotificationSection>()));
        services.AddSingleton<NotificationSender>();
        services.AddSingleton<INotificationBus, MessagingNotificationBus>();
        services.AddSingleton(p => new NotifierOptions(
            p.GetRequiredService<NotificationsSection>().BdmsInNotifications, p.GetRequiredService<ServiceOptions>().InstanceNameTemplate));
        services.AddSingleton<INotifier, Notifier>();

        var methods = new ComputeRpc();
        services.AddSingleton(methods);
        foreach (var operation in methods.OperationTypes)
        {
            services.AddSingleton(operation);
        }

        services.AddSingleton<Leftovers>();
        services.AddSingleton<ComputeCasts>();
        services.AddSingleton<IncomingObjects>();
        services.AddSingleton<OperationRunner>();
        services.AddSingleton<ComputeRpcServer>();
    }

    private static void AddNeighbours(IServiceCollection services, OsloConfig config)
    {
        services.AddSingleton<ConductorClient>();
        services.AddSingleton<ControlPlane>();
        var faults = new List<string>();
        var openStack = OpenStackOptions.Read((section, option) => config.Find(section, option) is [.., var last] ? last.Value : null, faults);
        if (faults.Count > 0)
        {
            throw new ConfigurationException("The configuration is not valid:\n  " + string.Join("\n  ", faults));
        }

        services.AddOpenStack(_ => openStack);
        services.AddSingleton(p => ProviderConfiguration.Load(
            p.GetRequiredService<ComputeSectionOptions>().ProviderConfigLocation, p.GetRequiredService<ILogger<ProviderConfiguration>>()));
        services.AddSingleton(p =>
        {
            var options = p.GetRequiredService<LxdOptions>().ToVirtOptions(p.GetRequiredService<ServiceOptions>());
            return options with { IsoCommand = p.GetRequiredService<ConfigDriveOptions>().MkisofsCmd };
        });
        services.AddVirt();
    }

    private static void AddDomain(IServiceCollection services)
    {
        services.AddSingleton(p => new CpuSets(p.GetRequiredService<ComputeSectionOptions>().CpuSharedSet));
        services.AddSingleton<InstanceLocks>();
        services.AddSingleton<InstanceEvents>();
        services.AddSingleton<BuildSlots>();
        services.AddSingleton<SnapshotSlots>();
        services.AddSingleton<PowerStates>();
        services.AddSingleton<ContainerSpecs>();
        services.AddSingleton<InstanceImages>();
        services.AddSingleton<SnapshotImages>();
        services.AddSingleton<BackupRotation>();
        services.AddSingleton<InstanceSnapshots>();
        services.AddSingleton<InstanceOffloading>();
        services.AddSingleton<InstancePlugging>();
        services.AddSingleton<InstancePower>();
        services.AddSingleton<GuestPassword>();
        services.AddSingleton<InstanceStop>();
        services.AddSingleton<InstanceErrors>();
        services.AddSingleton<VendorData>();
        services.AddSingleton<ConfigDrives>();
        services.AddSingleton<RescueImages>();
        services.AddSingleton<InstanceRescue>();
        services.AddSingleton<EphemeralDisks>();
        services.AddSingleton<InstanceSpawner>();
        services.AddSingleton<InstanceTeardown>();
        services.AddSingleton<InstanceSize>();
        services.AddSingleton<ResizeRollback>();
        services.AddSingleton<HostMoves>();
        services.AddSingleton<Evacuation>();
        services.AddSingleton<BuildFailures>();

        services.AddSingleton<NetworkInfoReader>();
        services.AddSingleton<PortRequests>();
        services.AddSingleton<PortRelease>();
        services.AddSingleton<PortAllocation>();
        services.AddSingleton<InfoCaches>();
        services.AddSingleton<InstancePorts>();
        services.AddSingleton<FixedIps>();
        services.AddSingleton<DeviceTags>();
        services.AddSingleton<AttachedPorts>();
        services.AddSingleton<MovePorts>();

        services.AddSingleton<NodeIdentity>();
        services.AddSingleton<ComputeNodeRecord>();
        services.AddSingleton<PlacementReporter>();
        services.AddSingleton<InstanceAllocations>();
        services.AddSingleton<SchedulerNotifier>();
        services.AddSingleton<ServerGroupPolicy>();
        services.AddSingleton<ResourceTracker>();
        services.AddSingleton<EvacuationClaims>();
    }

    private static void AddTransfer(IServiceCollection services)
    {
        services.AddSingleton<TransferCertificates>();
        services.AddSingleton<TransferMetrics>();
        services.AddSingleton<IIncomingMoves, IncomingMoves>();
        services.AddSingleton(p => ActivatorUtilities.CreateInstance<TransferReceiver>(p, p.GetRequiredService<LxdOptions>().AllowPrivileged));
        services.AddSingleton<TransferSender>();
        services.AddSingleton<TransferServer>();
    }

    private static void AddPeriodic(IServiceCollection services)
    {
        services.AddSingleton<StartupState>();
        services.AddSingleton<OptionsCheck>();
        services.AddSingleton<ComputeVersionCheck>();
        services.AddSingleton<ServiceRecord>();
        services.AddSingleton<NodeRegistration>();
        services.AddSingleton<ResizeRecovery>();
        services.AddSingleton<EvacuationRecovery>();
        services.AddSingleton<InitHost>();
        services.AddSingleton<ShelveRecovery>();
        services.AddSingleton<MoveRecovery>();
        services.AddSingleton<PeriodicHealth>();
        services.AddSingleton<PeriodicTasks>();
        services.AddSingleton<LifecycleWatcher>();
        services.AddSingleton<SyncPowerStates>();
        services.AddSingleton<HealInfoCache>();
        services.AddSingleton<CleanRunningDeleted>();
        services.AddSingleton<ImageCachePass>();
        services.AddSingleton<SyncSchedulerInstances>();
        services.AddSingleton<CheckBuildTimes>();
        services.AddSingleton<PollRescuedInstances>();
        services.AddSingleton<CleanDeletedFiles>();
        services.AddSingleton<ReclaimQueuedDeletes>();
        services.AddSingleton<ConfirmOldResizes>();
        services.AddSingleton<OffloadShelved>();
        services.AddSingleton<CleanMovedContainers>();
        services.AddHealthChecks()
            .AddCheck<ServiceHealth>("service")
            .AddCheck<PeriodicHealth>("periodic");
    }
}
