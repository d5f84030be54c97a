using System.ComponentModel.DataAnnotations;

namespace NovaLxd.Instances;

/// <summary>[DEFAULT]: how instances are built, copied, stopped and recovered (nova/conf/compute.py).</summary>
internal sealed record InstanceOptions
{
    /// <summary>Builds at the same time; 0: no limit.</summary>
    [Range(0, int.MaxValue)]
    public int MaxConcurrentBuilds { get; init; } = 10;

    /// <summary>Snapshots at the same time; 0: no limit.</summary>
    [Range(0, int.MaxValue)]
    public int MaxConcurrentSnapshots { get; init; } = 5;

    /// <summary>Seconds after which a shelved instance leaves the host; 0: at once, negative: never.</summary>
    public TimeSpan ShelvedOffloadTime { get; init; }

    /// <summary>Seconds a guest has to shut down before it is killed.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Seconds after which a resize that its owner neither confirmed nor reverted is confirmed; 0: never.</summary>
    public TimeSpan ResizeConfirmWindow { get; init; }

    /// <summary>Period that notifications about the usage of an instance speak of: hour, day, month or year, with an offset as in month@3.</summary>
    [RegularExpression("(hour|day|month|year)(@[0-9]{1,2})?", ErrorMessage = "hour, day, month or year is expected, with an offset as in month@3 at most")]
    public string InstanceUsageAuditPeriod { get; init; } = "month";

    /// <summary>Whether instances that ran before the host went down are started again.</summary>
    public bool ResumeGuestsStateOnHostBoot { get; init; }
}

/// <summary>[workarounds]: the ones a compute service honours (nova/conf/workarounds.py).</summary>
internal sealed record WorkaroundOptions
{
    /// <summary>Whether compute services that are too old for the control plane are only warned of at start: for fast-forward upgrades, in which the control plane
    /// is upgraded over several releases before the hosts are.</summary>
    public bool DisableComputeServiceCheckForFfu { get; init; }

    /// <summary>Whether the late check of server group policies, which needs the API database through the conductor, is left out.</summary>
    public bool DisableGroupPolicyCheckUpcall { get; init; }

    /// <summary>Whether a container that stops by itself is seen at once rather than at the next sync of power states.</summary>
    public bool HandleVirtLifecycleEvents { get; init; } = true;
}
