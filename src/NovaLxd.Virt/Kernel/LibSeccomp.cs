using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>seccomp.h of libseccomp 2.5 (Debian: libseccomp2), as far as filters are compiled with it.</summary>
internal static partial class LibSeccomp
{
    public const uint SCMP_ACT_ALLOW = 0x7fff0000;

    public const uint SCMP_ARCH_X86 = 0x40000003;
    public const uint SCMP_ARCH_X86_64 = 0xc000003e;
    public const uint SCMP_ARCH_X32 = 0x4000003e;
    public const uint SCMP_ARCH_ARM = 0x40000028;
    public const uint SCMP_ARCH_AARCH64 = 0xc00000b7;

    /// <summary>What resolving an unknown name gives.</summary>
    public const int NR_SCMP_ERROR = -1;

    public const int SCMP_CMP_MASKED_EQ = 7;

    private const string Library = "libseccomp.so.2";

    public static uint SCMP_ACT_ERRNO(int errno) => 0x00050000u | ((uint)errno & 0xffff);

    [LibraryImport(Library)]
    public static partial FilterContext seccomp_init(uint defaultAction);

    [LibraryImport(Library)]
    private static partial void seccomp_release(nint context);

    [LibraryImport(Library)]
    public static partial uint seccomp_arch_native();

    /// <summary>0, or a negative errno; as all below.</summary>
    [LibraryImport(Library)]
    public static partial int seccomp_arch_add(FilterContext context, uint architecture);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int seccomp_syscall_resolve_name(string name);

    [LibraryImport(Library)]
    public static unsafe partial int seccomp_rule_add_array(FilterContext context, uint action, int number, uint count, scmp_arg_cmp* comparisons);

    [LibraryImport(Library)]
    public static partial int seccomp_export_bpf(FilterContext context, SafeHandle file);

    [StructLayout(LayoutKind.Sequential)]
    public struct scmp_arg_cmp
    {
        public uint arg;
        public int op;
        public ulong datum_a;
        public ulong datum_b;
    }

    /// <summary>scmp_filter_ctx.</summary>
    public sealed class FilterContext : SafeHandle
    {
        public FilterContext()
            : base(0, ownsHandle: true)
        {
        }

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            seccomp_release(handle);
            return true;
        }
    }
}
