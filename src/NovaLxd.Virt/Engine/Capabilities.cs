namespace NovaLxd.Virt.Engine;

/// <summary>Numbers of capabilities(7), and which of them a container's processes can never have.</summary>
internal static class Capabilities
{
    private const int CAP_SYS_MODULE = 16;
    private const int CAP_SYS_RAWIO = 17;
    private const int CAP_SYS_TIME = 25;
    private const int CAP_AUDIT_CONTROL = 30;
    private const int CAP_MAC_OVERRIDE = 32;
    private const int CAP_MAC_ADMIN = 33;
    private const int CAP_SYSLOG = 34;
    private const int CAP_WAKE_ALARM = 35;
    private const int CAP_BLOCK_SUSPEND = 36;
    private const int CAP_PERFMON = 38;
    private const int CAP_BPF = 39;

    /// <summary>
    /// In a user namespace these have no power over the host anyway; init systems look at the bounding set, though, and leave out what cannot work
    /// (systemd: modules-load, timesyncd), so that the guest comes up without failed units. LXC drops the same.
    /// </summary>
    private static readonly int[] Always = [CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_TIME, CAP_MAC_OVERRIDE, CAP_MAC_ADMIN];

    /// <summary>Without a user namespace root is the host's: away with all that changes or watches the whole host and that no guest boots by.</summary>
    private static readonly int[] Privileged =
        [.. Always, CAP_AUDIT_CONTROL, CAP_SYSLOG, CAP_WAKE_ALARM, CAP_BLOCK_SUSPEND, CAP_PERFMON, CAP_BPF];

    /// <summary>Capabilities to drop from the bounding set (prctl(2), PR_CAPBSET_DROP).</summary>
    public static IReadOnlyList<int> Bounding(SecuritySpec security) => security.Privileged ? Privileged : Always;
}
