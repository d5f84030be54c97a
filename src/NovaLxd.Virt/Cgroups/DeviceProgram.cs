using System.Buffers.Binary;

namespace NovaLxd.Virt.Cgroups;

/// <summary>
/// The device filter of cgroup v2: a BPF program of type BPF_PROG_TYPE_CGROUP_DEVICE that is asked at every open and mknod and answers 1 (allowed) or 0.
/// Pure. Its argument is <c>struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }</c>, access_type being
/// access (1 mknod, 2 read, 4 write) shifted by 16, and type (1 block, 2 character); linux/bpf.h.
/// </summary>
internal static class DeviceProgram
{
    private const byte LoadWord = 0x61; // BPF_LDX | BPF_MEM | BPF_W
    private const byte Move = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
    private const byte MoveImmediate = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
    private const byte AndImmediate = 0x57; // BPF_ALU64 | BPF_AND | BPF_K
    private const byte ShiftRight = 0x77; // BPF_ALU64 | BPF_RSH | BPF_K
    private const byte JumpNotEqual = 0x55; // BPF_JMP | BPF_JNE | BPF_K
    private const byte Exit = 0x95; // BPF_JMP | BPF_EXIT

    private const byte Result = 0, Context = 1, Type = 2, Access = 3, Major = 4, Minor = 5, Scratch = 6;

    /// <summary>An array of <c>struct bpf_insn</c> (8 bytes each).</summary>
    public static byte[] Assemble(IReadOnlyList<DeviceRule> rules)
    {
        var code = new List<ulong>
        {
            Instruction(LoadWord, Type, Context, 0, 0),
            Instruction(Move, Access, Type, 0, 0),
            Instruction(AndImmediate, Type, 0, 0, 0xffff),
            Instruction(ShiftRight, Access, 0, 0, 16),
            Instruction(LoadWord, Major, Context, 4, 0),
            Instruction(LoadWord, Minor, Context, 8, 0),
        };
        foreach (var rule in rules)
        {
            AddRule(code, rule);
        }

        code.Add(Instruction(MoveImmediate, Result, 0, 0, 0));
        code.Add(Instruction(Exit, 0, 0, 0, 0));

        var bytes = new byte[code.Count * sizeof(ulong)];
        for (var i = 0; i < code.Count; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), code[i]);
        }

        return bytes;
    }

    /// <summary>Returns 1 when all conditions hold; each failing condition jumps behind the rule.</summary>
    private static void AddRule(List<ulong> code, DeviceRule rule)
    {
        var conditions = new List<(byte Register, int Value, bool Masked)> { (Type, rule.Type == 'b' ? 1 : 2, false) };
        var forbidden = 7 & ~Bits(rule.Access);
        if (forbidden != 0)
        {
            conditions.Add((Access, forbidden, true));
        }

        if (rule.Major is { } major)
        {
            conditions.Add((Major, (int)major, false));
        }

        if (rule.Minor is { } minor)
        {
            conditions.Add((Minor, (int)minor, false));
        }

        var left = conditions.Sum(condition => condition.Masked ? 3 : 1) + 2;
        foreach (var (register, value, masked) in conditions)
        {
            if (masked)
            {
                code.Add(Instruction(Move, Scratch, register, 0, 0));
                code.Add(Instruction(AndImmediate, Scratch, 0, 0, value));
                left -= 3;
                code.Add(Instruction(JumpNotEqual, Scratch, 0, (short)left, 0));
            }
            else
            {
                left--;
                code.Add(Instruction(JumpNotEqual, register, 0, (short)left, value));
            }
        }

        code.Add(Instruction(MoveImmediate, Result, 0, 0, 1));
        code.Add(Instruction(Exit, 0, 0, 0, 0));
    }

    private static int Bits(string access)
    {
        var bits = 0;
        foreach (var letter in access)
        {
            bits |= letter switch { 'm' => 1, 'r' => 2, 'w' => 4, _ => throw new ArgumentException($"Device access '{access}' is not made of r, w and m.", nameof(access)) };
        }

        return bits;
    }

    /// <summary>struct bpf_insn: code, registers (destination in the low half), offset, immediate; little endian.</summary>
    private static ulong Instruction(byte code, byte destination, byte source, short offset, int immediate) =>
        code | ((ulong)(destination | (source << 4)) << 8) | ((ulong)(ushort)offset << 16) | ((ulong)(uint)immediate << 32);
}
