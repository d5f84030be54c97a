using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using Tmds.Linux;
using static NovaLxd.Virt.Kernel.LibSeccomp;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// The system call filter of a system container (seccomp(2)): everything a booting operating system may need is allowed, and refused is what would reach
/// through to the host. The rules are data, compiled by libseccomp for the machine's architecture and its 32-bit relatives; a call of any other
/// architecture kills the thread.
/// </summary>
internal static class SeccompProfile
{
    private const string Resource = "seccomp.json";

    // Both are what nearly all containers have, and compiling takes longer than a launch has time for.
    private static readonly Lazy<byte[]> Default = new(() => Compile(ReadOwnRules(), new SecuritySpec()));
    private static readonly Lazy<byte[]> Nesting = new(() => Compile(ReadOwnRules(), new SecuritySpec { Nesting = true }));

    /// <summary>An array of <c>struct sock_filter</c> (8 bytes each) for SECCOMP_SET_MODE_FILTER.</summary>
    /// <exception cref="ArgumentException"><see cref="SecuritySpec.AllowSystemCalls"/> has a name that is no system call.</exception>
    public static byte[] Compile(SecuritySpec security) => security.AllowSystemCalls.Count > 0
        ? Compile(ReadOwnRules(), security)
        : (security.Nesting ? Nesting : Default).Value.AsSpan().ToArray();

    internal static byte[] Compile(SeccompRules rules, SecuritySpec security)
    {
        using var context = seccomp_init(SCMP_ACT_ALLOW);
        if (context.IsInvalid)
        {
            throw new InvalidOperationException("libseccomp could not make a filter: out of memory.");
        }

        foreach (var architecture in Relatives(seccomp_arch_native()))
        {
            Check(seccomp_arch_add(context, architecture), "seccomp_arch_add", $"{architecture:x}");
        }

        var allowed = security.AllowSystemCalls.ToHashSet(StringComparer.Ordinal);
        foreach (var name in allowed)
        {
            Resolve(name, "The list of allowed system calls");
        }

        foreach (var rule in rules.Deny.Where(rule => !IsLifted(rule, security)))
        {
            foreach (var name in rule.Names.Where(name => !allowed.Contains(name)))
            {
                AddRule(context, rule, name);
            }
        }

        return Export(context);
    }

    /// <summary>The rules of etc/novalxd/seccomp.json, which is built in.</summary>
    internal static SeccompRules ReadOwnRules()
    {
        using var stream = typeof(SeccompProfile).Assembly.GetManifestResourceStream(Resource)!;
        return SeccompRules.Parse(stream, Resource);
    }

    private static bool IsLifted(SeccompRule rule, SecuritySpec security) => rule.Unless switch
    {
        null => false,
        "nesting" => security.Nesting,
        var other => throw new InvalidDataException($"Seccomp rule \"{rule.Why}\" has unless '{other}'; \"nesting\" is the only exception there is."),
    };

    private static unsafe void AddRule(FilterContext context, SeccompRule rule, string name)
    {
        var number = Resolve(name, $"Seccomp rule \"{rule.Why}\"");
        var comparison = default(scmp_arg_cmp);
        if (rule.Argument is { } argument)
        {
            comparison = new scmp_arg_cmp { arg = argument.Index, op = SCMP_CMP_MASKED_EQ, datum_a = argument.Mask, datum_b = argument.Value };
        }

        var action = SCMP_ACT_ERRNO(Errno(rule));
        Check(seccomp_rule_add_array(context, action, number, rule.Argument is null ? 0u : 1u, &comparison), "seccomp_rule_add", name);
    }

    private static int Errno(SeccompRule rule) => rule.Errno switch
    {
        "EPERM" => LibC.EPERM,
        "EACCES" => LibC.EACCES,
        "ENOSYS" => LibC.ENOSYS,
        "EAFNOSUPPORT" => LibC.EAFNOSUPPORT,
        var other => throw new InvalidDataException($"Seccomp rule \"{rule.Why}\" has errno '{other}'; use EPERM, EACCES, ENOSYS or EAFNOSUPPORT."),
    };

    private static int Resolve(string name, string whose) => seccomp_syscall_resolve_name(name) is var number && number != NR_SCMP_ERROR
        ? number
        : throw new ArgumentException($"{whose} names '{name}', which is no system call that libseccomp knows (see syscalls(2)).");

    /// <summary>Whose programs the same kernel also runs.</summary>
    private static uint[] Relatives(uint native) => native switch
    {
        SCMP_ARCH_X86_64 => [SCMP_ARCH_X86, SCMP_ARCH_X32],
        SCMP_ARCH_AARCH64 => [SCMP_ARCH_ARM],
        _ => [],
    };

    private static unsafe byte[] Export(FilterContext context)
    {
        fixed (byte* name = "seccomp\0"u8)
        {
            using var file = new SafeFileHandle(LibC.memfd_create(name, (uint)LibC.MFD_CLOEXEC), ownsHandle: true);
            if (file.IsInvalid)
            {
                throw KernelException.Last("memfd_create", "seccomp");
            }

            Check(seccomp_export_bpf(context, file), "seccomp_export_bpf", "");
            var filter = new byte[RandomAccess.GetLength(file)];
            var read = RandomAccess.Read(file, filter, 0);
            return read == filter.Length && read > 0 ? filter : throw new InvalidDataException("libseccomp's filter was cut short.");
        }
    }

    private static void Check(int result, string call, string target)
    {
        if (result < 0)
        {
            throw new KernelException(-result, call, target);
        }
    }
}
