using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;
using Tmds.Linux;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>The compiled filter, run here instruction by instruction, and once by the kernel.</summary>
public sealed class SeccompProfileTests
{
    private const uint Allow = 0x7fff0000;
    private const uint KillThread = 0;
    private const uint X8664 = 0xc000003e;
    private const uint I386 = 0x40000003;

    /// <summary>x32 calls say x86-64 with this bit in the number.</summary>
    private const int X32Bit = 0x40000000;

    [Theory]
    [InlineData(X8664, 246)] // kexec_load
    [InlineData(X8664, X32Bit + 528)]
    [InlineData(I386, 283)]
    [InlineData(X8664, 175)] // init_module
    [InlineData(I386, 128)]
    [InlineData(X8664, 304)] // open_by_handle_at
    public void WhatReachesTheHostIsRefused(uint architecture, int number) =>
        Assert.Equal(Errno(LibC.EPERM), Run(SeccompProfile.Compile(new SecuritySpec()), architecture, number));

    [Theory]
    [InlineData(X8664, 0)] // read
    [InlineData(X8664, X32Bit)]
    [InlineData(I386, 3)]
    [InlineData(X8664, 165)] // mount
    [InlineData(X8664, 155)] // pivot_root
    [InlineData(X8664, 272)] // unshare
    [InlineData(X8664, 435)] // clone3
    [InlineData(X8664, 169)] // reboot
    [InlineData(X8664, 101)] // ptrace
    [InlineData(X8664, 9999)] // one that is not there yet: the kernel's own answer
    public void WhatAnOperatingSystemNeedsIsAllowed(uint architecture, int number) =>
        Assert.Equal(Allow, Run(SeccompProfile.Compile(new SecuritySpec()), architecture, number));

    [Fact]
    public void AnUnknownArchitectureIsKilled() => Assert.Equal(KillThread, Run(SeccompProfile.Compile(new SecuritySpec()), 0x1234, 0));

    [Fact]
    public void NestingKeepsKeyringsAndBpfButNotModules()
    {
        var nesting = SeccompProfile.Compile(new SecuritySpec { Nesting = true });
        foreach (var number in new[] { 248, 249, 250, 321 })
        {
            Assert.Equal(Errno(LibC.EPERM), Run(SeccompProfile.Compile(new SecuritySpec()), X8664, number));
            Assert.Equal(Allow, Run(nesting, X8664, number));
        }

        Assert.Equal(Errno(LibC.EPERM), Run(nesting, X8664, 175));
    }

    [Fact]
    public void AnAllowedCallIsAllowedAndTheRestIsNot()
    {
        var filter = SeccompProfile.Compile(new SecuritySpec { AllowSystemCalls = ["io_uring_setup", "read"] });
        Assert.Equal(Allow, Run(filter, X8664, 425));
        Assert.Equal(Errno(LibC.ENOSYS), Run(filter, X8664, 426));
    }

    [Fact]
    public void AnUnknownNameIsNamed()
    {
        var failure = Assert.Throws<ArgumentException>(() => SeccompProfile.Compile(new SecuritySpec { AllowSystemCalls = ["io_uring_stup"] }));
        Assert.Contains("'io_uring_stup'", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(X8664, 166, 1, 0UL, Allow)] // umount2
    [InlineData(X8664, 166, 1, 2UL, Allow)] // MNT_DETACH
    [InlineData(X8664, 166, 1, 3UL, 0x50000U + 13)]
    [InlineData(X8664, 41, 0, 1UL, Allow)] // socket(AF_UNIX)
    [InlineData(X8664, 41, 0, 40UL, 0x50000U + 97)]
    [InlineData(X8664, 41, 0, 0xff00000028UL, 0x50000U + 97)] // the kernel reads an int
    public void ArgumentsDecide(uint architecture, int number, int argument, ulong value, uint answer)
    {
        var arguments = new ulong[6];
        arguments[argument] = value;
        Assert.Equal(answer, Run(SeccompProfile.Compile(new SecuritySpec()), architecture, number, arguments));
    }

    [Fact]
    public void EveryRuleSaysWhy() => Assert.All(SeccompProfile.ReadOwnRules().Deny, rule => Assert.NotEmpty(rule.Why));

    [Theory]
    [InlineData("""{ "deny": [ { "why": "x", "errno": "EPERM", "names": ["mount_"] } ] }""", "'mount_'")]
    [InlineData("""{ "deny": [ { "why": "x", "errno": "EFUN", "names": ["mount"] } ] }""", "'EFUN'")]
    [InlineData("""{ "deny": [ { "why": "x", "errno": "EPERM", "names": ["mount"], "unless": "never" } ] }""", "'never'")]
    [InlineData("""{ "deny": [ { "why": "x", "errno": "EPERM", "name": ["mount"] } ] }""", "name")]
    [InlineData("[", "not a list of system call rules")]
    public void AMistakeInTheFileIsNamed(string json, string words)
    {
        var failure = Assert.ThrowsAny<Exception>(() => SeccompProfile.Compile(
            SeccompRules.Parse(new MemoryStream(Encoding.UTF8.GetBytes(json)), "seccomp.json"), new SecuritySpec()));
        Assert.Contains(words, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheKernelTakesTheFilterAndRefuses()
    {
        // On a thread of its own, which ends with its filter.
        var answers = new List<string>();
        var thread = new Thread(() => answers.AddRange(CallUnderFilter(SeccompProfile.Compile(new SecuritySpec()))));
        thread.Start();
        thread.Join();
        Assert.Equal(["prctl 0", "seccomp 0", "kexec_load 1", "umount2(MNT_FORCE) 13", "getppid 0"], answers);
    }

    private static unsafe List<string> CallUnderFilter(byte[] filter)
    {
        Assert.True(RuntimeInformation.ProcessArchitecture == Architecture.X64, "The numbers of this test are x86-64's.");
        var answers = new List<string>();
        fixed (byte* instructions = filter, path = "/nowhere\0"u8)
        {
            var program = new SockFilterProgram { Length = (ushort)(filter.Length / 8), Filter = instructions };
            Add("prctl", LibC.syscall(157, 38, 1, 0, 0, 0)); // PR_SET_NO_NEW_PRIVS
            Add("seccomp", LibC.syscall(317, 1, 0, &program)); // SECCOMP_SET_MODE_FILTER
            Add("kexec_load", LibC.syscall(246, 0, 0, 0, 0));
            Add("umount2(MNT_FORCE)", LibC.syscall(166, path, 1));
            Add("getppid", LibC.syscall(110));
        }

        return answers;

        void Add(string call, syscall_arg result) => answers.Add($"{call} {((long)result < 0 ? Marshal.GetLastPInvokeError() : 0)}");
    }

    private static uint Errno(int errno) => LibSeccomp.SCMP_ACT_ERRNO(errno);

    /// <summary>
    /// Runs a filter over <c>struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }</c> with the few classic BPF instructions
    /// libseccomp writes (linux/filter.h).
    /// </summary>
    private static uint Run(byte[] filter, uint architecture, int number, params ulong[] arguments)
    {
        var data = new byte[64];
        BinaryPrimitives.WriteInt32LittleEndian(data, number);
        BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(4), architecture);
        for (var i = 0; i < arguments.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan(16 + (8 * i)), arguments[i]);
        }

        uint accumulator = 0;
        for (var pc = 0; ; pc++)
        {
            var instruction = filter.AsSpan(pc * 8, 8);
            var value = BinaryPrimitives.ReadUInt32LittleEndian(instruction[4..]);
            switch (BinaryPrimitives.ReadUInt16LittleEndian(instruction))
            {
                case 0x20: // ld [k]
                    accumulator = BinaryPrimitives.ReadUInt32LittleEndian(data.AsSpan((int)value));
                    break;
                case 0x54: // and k
                    accumulator &= value;
                    break;
                case 0x05: // ja k
                    pc += (int)value;
                    break;
                case 0x15: // jeq k
                    pc += accumulator == value ? instruction[2] : instruction[3];
                    break;
                case 0x25: // jgt k
                    pc += accumulator > value ? instruction[2] : instruction[3];
                    break;
                case 0x35: // jge k
                    pc += accumulator >= value ? instruction[2] : instruction[3];
                    break;
                case 0x06: // ret k
                    return value;
                case var other:
                    throw new InvalidDataException($"Instruction {other:x} is not known here.");
            }
        }
    }

    private unsafe struct SockFilterProgram
    {
        public ushort Length;
        public byte* Filter;
    }
}
