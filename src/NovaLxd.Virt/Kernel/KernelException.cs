using System.Runtime.InteropServices;

namespace NovaLxd.Virt.Kernel;

/// <summary>A system call failed: which one, on what, and why in the kernel's words; <c>detail</c> is what it said beyond the number.</summary>
public sealed class KernelException(int errno, string call, string? target = null, string? detail = null)
    : Exception($"{call}{(target is null ? "" : $" {target}")}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}){(detail is null ? "" : $": {detail}")}")
{
    /// <summary>errno(3).</summary>
    public int Errno { get; } = errno;

    public string Call { get; } = call;

    public string? Target { get; } = target;

    /// <summary>The failure of the libc call just made (LibraryImport with SetLastError).</summary>
    public static KernelException Last(string call, string? target = null) => new(Marshal.GetLastPInvokeError(), call, target);
}
