using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>A string as C has it (UTF-8, ending in zero) for the length of a call; null stays null.</summary>
internal readonly struct NativeText(string? text) : IDisposable
{
    private readonly nint _memory = Marshal.StringToCoTaskMemUTF8(text);

    public long Address => _memory;

    public void Dispose() => Marshal.FreeCoTaskMem(_memory);
}
