using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Tmds.Linux;

namespace NovaLxd.Virt.Kernel;

/// <summary>bpf(2), as far as device filters need it (linux/bpf.h).</summary>
internal static unsafe class Bpf
{
    private const int BPF_PROG_LOAD = 5;
    private const int BPF_PROG_ATTACH = 8;
    private const uint BPF_PROG_TYPE_CGROUP_DEVICE = 15;
    private const uint BPF_CGROUP_DEVICE = 6;

    /// <summary>Others (systemd) may attach theirs to the same cgroup; all have to allow.</summary>
    private const uint BPF_F_ALLOW_MULTI = 2;

    private static int Number => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 321,
        Architecture.Arm64 => 280,
        var other => throw new PlatformNotSupportedException($"The number of bpf(2) on {other} is not known."),
    };

    /// <summary>Loads a device filter and attaches it to a cgroup of v2, which keeps it until it is removed.</summary>
    /// <param name="program">Array of struct bpf_insn.</param>
    /// <param name="cgroup">The cgroup's directory, open.</param>
    /// <exception cref="KernelException">With the verifier's words.</exception>
    public static void AttachDeviceFilter(ReadOnlySpan<byte> program, SafeFileHandle cgroup)
    {
        using var loaded = new SafeFileHandle(Load(program), ownsHandle: true);
        var attach = new AttachAttributes
        {
            TargetDescriptor = (uint)cgroup.DangerousGetHandle(),
            ProgramDescriptor = (uint)loaded.DangerousGetHandle(),
            AttachType = BPF_CGROUP_DEVICE,
            Flags = BPF_F_ALLOW_MULTI,
        };
        if (Call(BPF_PROG_ATTACH, &attach, sizeof(AttachAttributes)) < 0)
        {
            throw KernelException.Last("bpf", "BPF_PROG_ATTACH of a device filter");
        }
    }

    private static int Load(ReadOnlySpan<byte> program)
    {
        var log = new byte[64 * 1024];
        fixed (byte* instructions = program, logBuffer = log)
        fixed (byte* license = "Apache-2.0\0"u8)
        {
            var load = new LoadAttributes
            {
                Type = BPF_PROG_TYPE_CGROUP_DEVICE,
                InstructionCount = (uint)program.Length / 8,
                Instructions = (ulong)instructions,
                License = (ulong)license,
            };
            var fd = Call(BPF_PROG_LOAD, &load, sizeof(LoadAttributes));
            if (fd >= 0)
            {
                return fd;
            }

            // The verifier explains itself only on request, as that costs it time.
            var error = Marshal.GetLastPInvokeError();
            load.LogLevel = 1;
            load.LogSize = (uint)log.Length;
            load.LogBuffer = (ulong)logBuffer;
            fd = Call(BPF_PROG_LOAD, &load, sizeof(LoadAttributes));
            if (fd >= 0)
            {
                return fd;
            }

            var words = Encoding.UTF8.GetString(log, 0, Math.Max(0, Array.IndexOf(log, (byte)0))).Trim();
            throw new KernelException(error, "bpf", $"BPF_PROG_LOAD of a device filter ({words})");
        }
    }

    private static int Call(int command, void* attributes, int size) =>
        (int)(long)LibC.syscall(Number, command, attributes, size);

    /// <summary>union bpf_attr for BPF_PROG_LOAD, up to expected_attach_type.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct LoadAttributes
    {
        public uint Type;
        public uint InstructionCount;
        public ulong Instructions;
        public ulong License;
        public uint LogLevel;
        public uint LogSize;
        public ulong LogBuffer;
        public uint KernelVersion;
        public uint Flags;
        public fixed byte Name[16];
        public uint InterfaceIndex;
        public uint ExpectedAttachType;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct AttachAttributes
    {
        public uint TargetDescriptor;
        public uint ProgramDescriptor;
        public uint AttachType;
        public uint Flags;
    }
}
