using System.Runtime.InteropServices;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// The only code that runs between clone and exec: it calls clone3 and, in the child, makes the system calls of a list one after the other. It is
/// machine code of our own because nothing of the runtime may run there: a garbage collection under way in another thread leaves the child waiting
/// for ever for threads it does not have. The child shares our memory (CLONE_VM) until it executes a program, has a stack of its own it never
/// uses, and calls no library.
/// <para>
/// Called as <c>long stub(struct clone_args *args, long size, struct context *context)</c> with
/// <c>context = { entry *first; long error_fd; long result; entry *entry; }</c> and
/// <c>entry = { long number, argument[6]; long *store; long least; }</c> (72 bytes). Each result is put where <c>store</c> points, when it points
/// somewhere (into an argument of a later entry), and must be at least <c>least</c>; else result and entry are written to <c>error_fd</c> and the
/// child exits with 127. The list ends in a call that does not return. Returns the child's id or -errno.
/// </para>
/// </summary>
internal sealed unsafe class SyscallStub : IDisposable
{
    public const int EntrySize = 72;
    public const int ContextSize = 32;

    private readonly MappedMemory _code;

    public SyscallStub()
    {
        var code = CodeFor(RuntimeInformation.ProcessArchitecture);
        _code = SysMman.mmap(4096);
        code.CopyTo(new Span<byte>((void*)_code.Address, code.Length));

        // On arm64 the kernel makes the instruction cache agree when the page becomes executable.
        SysMman.mprotect(_code, SysMman.PROT_READ | SysMman.PROT_EXEC);
    }

    /// <exception cref="KernelException">clone3 failed.</exception>
    public int Clone(Sched.clone_args* arguments, void* context)
    {
        var result = ((delegate* unmanaged<void*, long, void*, long>)_code.Address)(arguments, sizeof(Sched.clone_args), context);
        return result >= 0 ? (int)result : throw new KernelException((int)-result, "clone3");
    }

    public void Dispose() => _code.Dispose();

    /// <exception cref="PlatformNotSupportedException">An architecture there is no code for.</exception>
    public static ReadOnlySpan<byte> CodeFor(Architecture architecture) => architecture switch
    {
        Architecture.X64 => X64,
        Architecture.Arm64 => Arm64,
        _ => throw new PlatformNotSupportedException($"The engine knows x86-64 and arm64, not {architecture}."),
    };

    private static ReadOnlySpan<byte> X64 =>
    [
        0x53,                               //         push rbx
        0x41, 0x54,                         //         push r12
        0x48, 0x89, 0xd3,                   //         mov  rbx, rdx            ; context
        0xb8, 0xb3, 0x01, 0x00, 0x00,       //         mov  eax, 435            ; clone3(args, size)
        0x0f, 0x05,                         //         syscall
        0x48, 0x85, 0xc0,                   //         test rax, rax
        0x74, 0x04,                         //         jz   child
        0x41, 0x5c,                         //         pop  r12
        0x5b,                               //         pop  rbx
        0xc3,                               //         ret
        0x4c, 0x8b, 0x23,                   // child:  mov  r12, [rbx]          ; first entry
        0x49, 0x8b, 0x04, 0x24,             // next:   mov  rax, [r12]
        0x49, 0x8b, 0x7c, 0x24, 0x08,       //         mov  rdi, [r12+8]
        0x49, 0x8b, 0x74, 0x24, 0x10,       //         mov  rsi, [r12+16]
        0x49, 0x8b, 0x54, 0x24, 0x18,       //         mov  rdx, [r12+24]
        0x4d, 0x8b, 0x54, 0x24, 0x20,       //         mov  r10, [r12+32]
        0x4d, 0x8b, 0x44, 0x24, 0x28,       //         mov  r8,  [r12+40]
        0x4d, 0x8b, 0x4c, 0x24, 0x30,       //         mov  r9,  [r12+48]
        0x0f, 0x05,                         //         syscall
        0x49, 0x8b, 0x4c, 0x24, 0x38,       //         mov  rcx, [r12+56]       ; store
        0x48, 0x85, 0xc9,                   //         test rcx, rcx
        0x74, 0x03,                         //         jz   compare
        0x48, 0x89, 0x01,                   //         mov  [rcx], rax
        0x49, 0x3b, 0x44, 0x24, 0x40,       // compare: cmp rax, [r12+64]       ; least
        0x7c, 0x06,                         //         jl   failed
        0x49, 0x83, 0xc4, 0x48,             //         add  r12, 72
        0xeb, 0xc2,                         //         jmp  next
        0x48, 0x89, 0x43, 0x10,             // failed: mov  [rbx+16], rax       ; result
        0x4c, 0x89, 0x63, 0x18,             //         mov  [rbx+24], r12       ; entry
        0xb8, 0x01, 0x00, 0x00, 0x00,       //         mov  eax, 1              ; write(error_fd, &result, 16)
        0x8b, 0x7b, 0x08,                   //         mov  edi, [rbx+8]
        0x48, 0x8d, 0x73, 0x10,             //         lea  rsi, [rbx+16]
        0xba, 0x10, 0x00, 0x00, 0x00,       //         mov  edx, 16
        0x0f, 0x05,                         //         syscall
        0xb8, 0xe7, 0x00, 0x00, 0x00,       //         mov  eax, 231            ; exit_group(127)
        0xbf, 0x7f, 0x00, 0x00, 0x00,       //         mov  edi, 127
        0x0f, 0x05,                         //         syscall
    ];

    private static ReadOnlySpan<byte> Arm64 =>
    [
        0xe9, 0x03, 0x02, 0xaa,             //         mov  x9, x2              ; context; the kernel keeps all but x0
        0x68, 0x36, 0x80, 0xd2,             //         mov  x8, #435            ; clone3(args, size)
        0x01, 0x00, 0x00, 0xd4,             //         svc  #0
        0x40, 0x00, 0x00, 0xb4,             //         cbz  x0, child
        0xc0, 0x03, 0x5f, 0xd6,             //         ret
        0x2a, 0x01, 0x40, 0xf9,             // child:  ldr  x10, [x9]           ; first entry
        0x48, 0x01, 0x40, 0xf9,             // next:   ldr  x8, [x10]
        0x40, 0x85, 0x40, 0xa9,             //         ldp  x0, x1, [x10, #8]
        0x42, 0x8d, 0x41, 0xa9,             //         ldp  x2, x3, [x10, #24]
        0x44, 0x95, 0x42, 0xa9,             //         ldp  x4, x5, [x10, #40]
        0x01, 0x00, 0x00, 0xd4,             //         svc  #0
        0x4b, 0xb1, 0x43, 0xa9,             //         ldp  x11, x12, [x10, #56] ; store, least
        0x4b, 0x00, 0x00, 0xb4,             //         cbz  x11, compare
        0x60, 0x01, 0x00, 0xf9,             //         str  x0, [x11]
        0x1f, 0x00, 0x0c, 0xeb,             // compare: cmp x0, x12
        0x6b, 0x00, 0x00, 0x54,             //         b.lt failed
        0x4a, 0x21, 0x01, 0x91,             //         add  x10, x10, #72
        0xf5, 0xff, 0xff, 0x17,             //         b    next
        0x20, 0x29, 0x01, 0xa9,             // failed: stp  x0, x10, [x9, #16]
        0x08, 0x08, 0x80, 0xd2,             //         mov  x8, #64             ; write(error_fd, &result, 16)
        0x20, 0x05, 0x40, 0xf9,             //         ldr  x0, [x9, #8]
        0x21, 0x41, 0x00, 0x91,             //         add  x1, x9, #16
        0x02, 0x02, 0x80, 0xd2,             //         mov  x2, #16
        0x01, 0x00, 0x00, 0xd4,             //         svc  #0
        0xc8, 0x0b, 0x80, 0xd2,             //         mov  x8, #94             ; exit_group(127)
        0xe0, 0x0f, 0x80, 0xd2,             //         mov  x0, #127
        0x01, 0x00, 0x00, 0xd4,             //         svc  #0
    ];
}
