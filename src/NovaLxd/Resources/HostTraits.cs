using NovaLxd.Virt;

namespace NovaLxd.Resources;

/// <summary>The traits of the compute node's provider that are ours to set (os-traits; nova/virt/driver.py, nova/virt/libvirt/utils.py). Pure.</summary>
internal static class HostTraits
{
    public const string Disabled = "COMPUTE_STATUS_DISABLED";

    public const string SystemContainer = "CUSTOM_SYSTEM_CONTAINER";

    private const string AbilityPrefix = "CUSTOM_SYSTEM_CONTAINER_";

    /// <summary>From this service version on the scheduler asks every provider for it.</summary>
    private const int FirstServiceVersionWithOwner = 73;

    /// <summary>Kernel names of processor flags that have another name as a trait.</summary>
    private static readonly Dictionary<string, string> CpuFlags = new()
    {
        ["3dnow"] = "HW_CPU_X86_3DNOW",
        ["abm"] = "HW_CPU_X86_ABM",
        ["aes"] = "HW_CPU_X86_AESNI",
        ["avx"] = "HW_CPU_X86_AVX",
        ["avx2"] = "HW_CPU_X86_AVX2",
        ["avx512bw"] = "HW_CPU_X86_AVX512BW",
        ["avx512cd"] = "HW_CPU_X86_AVX512CD",
        ["avx512dq"] = "HW_CPU_X86_AVX512DQ",
        ["avx512f"] = "HW_CPU_X86_AVX512F",
        ["avx512vl"] = "HW_CPU_X86_AVX512VL",
        ["avx512_vnni"] = "HW_CPU_X86_AVX512VNNI",
        ["bmi1"] = "HW_CPU_X86_BMI",
        ["bmi2"] = "HW_CPU_X86_BMI2",
        ["pclmulqdq"] = "HW_CPU_X86_CLMUL",
        ["f16c"] = "HW_CPU_X86_F16C",
        ["fma"] = "HW_CPU_X86_FMA3",
        ["fma4"] = "HW_CPU_X86_FMA4",
        ["mmx"] = "HW_CPU_X86_MMX",
        ["sha_ni"] = "HW_CPU_X86_SHA",
        ["sse"] = "HW_CPU_X86_SSE",
        ["sse2"] = "HW_CPU_X86_SSE2",
        ["pni"] = "HW_CPU_X86_SSE3",
        ["sse4_1"] = "HW_CPU_X86_SSE41",
        ["sse4_2"] = "HW_CPU_X86_SSE42",
        ["sse4a"] = "HW_CPU_X86_SSE4A",
        ["ssse3"] = "HW_CPU_X86_SSSE3",
        ["svm"] = "HW_CPU_X86_SVM",
        ["tbm"] = "HW_CPU_X86_TBM",
        ["vmx"] = "HW_CPU_X86_VMX",
        ["xop"] = "HW_CPU_X86_XOP",
        ["asimd"] = "HW_CPU_AARCH64_ASIMD",
        ["crc32"] = "HW_CPU_AARCH64_CRC32",
        ["sve"] = "HW_CPU_AARCH64_SVE",
    };

    private static readonly HashSet<string> Owned =
    [
        .. CpuFlags.Values, "COMPUTE_NODE", "OWNER_NOVA", Disabled, SystemContainer,
        .. Capabilities.All,
    ];

    /// <summary>
    /// Capabilities this service has are set, those it has not are taken away (another driver may have set them on this host); all other traits are
    /// somebody else's.
    /// </summary>
    public static bool IsOwned(string trait) => Owned.Contains(trait) || trait.StartsWith(AbilityPrefix, StringComparison.Ordinal);

    public static IReadOnlySet<string> Of(HostDescription host, bool serviceDisabled, int serviceVersion)
    {
        var traits = new HashSet<string> { "COMPUTE_NODE", SystemContainer };
        traits.UnionWith(Capabilities.Supported);
        traits.UnionWith(host.Cpu.Flags.Select(f => CpuFlags.GetValueOrDefault(f)).OfType<string>());
        traits.UnionWith(host.Abilities.Select(a => AbilityPrefix + a.ToUpperInvariant().Replace('-', '_')));
        if (serviceVersion >= FirstServiceVersionWithOwner)
        {
            traits.Add("OWNER_NOVA");
        }

        if (serviceDisabled)
        {
            traits.Add(Disabled);
        }

        return traits;
    }

    /// <summary>Traits that stand for what a driver can do.</summary>
    private static class Capabilities
    {
        /// <summary>disk_format says nothing of what is in an image: whatever Glance calls it, it is recognised by content.</summary>
        public static readonly string[] Supported = ["COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG", "COMPUTE_DEVICE_TAGGING"];

        public static readonly string[] All =
        [
            .. Supported,
            "COMPUTE_VOLUME_ATTACH_WITH_TAG", "COMPUTE_VOLUME_EXTEND", "COMPUTE_VOLUME_MULTI_ATTACH", "COMPUTE_TRUSTED_CERTS", "COMPUTE_ACCELERATORS",
            "COMPUTE_SAME_HOST_COLD_MIGRATE", "COMPUTE_RESCUE_BFV", "COMPUTE_SECURITY_UEFI_SECURE_BOOT", "COMPUTE_SOCKET_PCI_NUMA_AFFINITY",
            "COMPUTE_REMOTE_MANAGED_PORTS", "COMPUTE_EPHEMERAL_ENCRYPTION", "COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_AKI",
            "COMPUTE_IMAGE_TYPE_AMI", "COMPUTE_IMAGE_TYPE_ARI", "COMPUTE_IMAGE_TYPE_ISO", "COMPUTE_IMAGE_TYPE_VDI", "COMPUTE_IMAGE_TYPE_VHD",
            "COMPUTE_IMAGE_TYPE_VHDX", "COMPUTE_IMAGE_TYPE_VMDK", "COMPUTE_IMAGE_TYPE_PLOOP",
        ];
    }
}
