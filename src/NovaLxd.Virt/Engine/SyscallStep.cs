using System.Globalization;
using System.Text;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// One system call of a list made in a cloned child. A step is an identity: <see cref="Argument.ResultOf"/> refers to the very object, whose result
/// can be used by one later step.
/// </summary>
internal sealed class SyscallStep(Syscall call, params Argument[] arguments)
{
    public Syscall Call { get; } = call;

    public IReadOnlyList<Argument> Arguments { get; } = arguments;

    /// <summary>The smallest result that is not a failure; <see cref="AnyResult"/> where failure does not matter.</summary>
    public long Least { get; init; }

    public const long AnyResult = long.MinValue;

    /// <summary>As strace(1) would show it.</summary>
    public override string ToString() => $"{Call}({string.Join(", ", Arguments)}){(Least == AnyResult ? " /* may fail */" : "")}";
}

/// <summary>An argument of a system call in a list: a number, or memory that is laid out beside the list.</summary>
internal abstract record Argument
{
    public static implicit operator Argument(long value) => new Number(value);

    public static implicit operator Argument(int value) => new Number(value);

    public static implicit operator Argument(uint value) => new Number(value);

    public static implicit operator Argument(string value) => new Text(value);

    /// <summary>A null pointer.</summary>
    public static readonly Argument Null = new Number(0, "NULL");

    /// <param name="Value">The register's content.</param>
    /// <param name="Name">How it is shown, where that is not the number.</param>
    internal sealed record Number(long Value, string? Name = null) : Argument
    {
        public override string ToString() => Name ?? Value.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Address of a string of C.</summary>
    internal sealed record Text(string Value) : Argument
    {
        public override string ToString() => $"\"{Value}\"";
    }

    /// <summary>Address of a structure.</summary>
    /// <param name="Content">Its bytes, with zeros where the pointers go.</param>
    /// <param name="Shown">How it is shown.</param>
    /// <param name="Pointers">Offsets in <paramref name="Content"/> at which the address of another argument's memory goes.</param>
    internal sealed record Memory(byte[] Content, string Shown, params (int Offset, Argument Target)[] Pointers) : Argument
    {
        public override string ToString() => Shown;
    }

    /// <summary>What an earlier step returned.</summary>
    internal sealed record ResultOf(SyscallStep Step) : Argument
    {
        public override string ToString() => $"<{Step.Call}>";
    }

    /// <summary>A vector of strings ending in a null pointer (argv, envp).</summary>
    public static Argument Vector(IReadOnlyList<string> strings) => new Memory(
        new byte[(strings.Count + 1) * sizeof(long)],
        $"[{string.Join(", ", strings.Select(s => $"\"{s}\""))}]",
        [.. strings.Select((s, i) => (i * sizeof(long), (Argument)new Text(s)))]);

    /// <summary>Flags, shown by their names.</summary>
    public static Argument Flags(params (long Value, string Name)[] flags) =>
        new Number(flags.Aggregate(0L, (sum, flag) => sum | flag.Value), string.Join('|', flags.Select(flag => flag.Name)));

    /// <summary>Bytes the argument takes beside the list, in multiples of 8.</summary>
    public int MemorySize => this switch
    {
        Text text => (Encoding.UTF8.GetByteCount(text.Value) + 8) & ~7,
        Memory memory => ((memory.Content.Length + 7) & ~7) + memory.Pointers.Sum(pointer => pointer.Target.MemorySize),
        _ => 0,
    };
}
