namespace NovaLxd.Periodic;

/// <summary>[DEFAULT]: periodic tasks; seconds, 0: every 60 seconds, negative: off (nova/conf/compute.py, service.py).</summary>
internal sealed record PeriodicOptions
{
    /// <summary>Whether periodic tasks run at all.</summary>
    public bool PeriodicEnable { get; init; } = true;

    /// <summary>Most seconds by which the first run of the tasks is put off at random, so that hosts do not act in step.</summary>
    public TimeSpan PeriodicFuzzyDelay { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Between two reports of the host's resources.</summary>
    public TimeSpan UpdateResourcesInterval { get; init; }

    /// <summary>Between two comparisons of power states with the database.</summary>
    public TimeSpan SyncPowerStateInterval { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>Between two instances whose network information is read again from Neutron. Default: 60; off (-1) under 2025.1 and later.</summary>
    public TimeSpan? HealInstanceInfoCacheInterval { get; init; }

    /// <summary>Between two searches for containers whose instance is deleted.</summary>
    public TimeSpan RunningDeletedInstancePollInterval { get; init; } = TimeSpan.FromSeconds(1800);

    /// <summary>What happens to a container whose instance is deleted: reap, shutdown, log or noop.</summary>
    public RunningDeletedInstanceAction RunningDeletedInstanceAction { get; init; } = RunningDeletedInstanceAction.Reap;

    /// <summary>Seconds an instance must have been deleted for running_deleted_instance_action.</summary>
    public TimeSpan RunningDeletedInstanceTimeout { get; init; }

    /// <summary>Seconds after which a build that still runs is an error; 0: never.</summary>
    public TimeSpan InstanceBuildTimeout { get; init; }

    /// <summary>Seconds after which a rescued instance is unrescued; 0: never.</summary>
    public TimeSpan RescueTimeout { get; init; }

    /// <summary>Between two searches for instances that were shelved long enough ago to leave the host.</summary>
    public TimeSpan ShelvedPollInterval { get; init; } = TimeSpan.FromSeconds(3600);

    /// <summary>Between two messages that tell the scheduler which instances are here.</summary>
    public TimeSpan SchedulerInstanceSyncInterval { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>Between two searches for files of deleted instances.</summary>
    public TimeSpan InstanceDeleteInterval { get; init; } = TimeSpan.FromSeconds(300);
}

internal enum RunningDeletedInstanceAction
{
    Reap,
    Shutdown,
    Log,
    Noop,
}
