using System.Collections.Concurrent;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// Filters by the operator's own rules, where <see cref="VirtOptions.SeccompProfilePath"/> names a file. They are compiled here, and a container takes its
/// filter along in its <see cref="LaunchSpec"/>: a guest that reboots keeps it, and a file that is changed or spoilt later keeps no guest from rebooting.
/// </summary>
internal sealed class SeccompFilters(string? path)
{
    private readonly ConcurrentDictionary<string, byte[]> _compiled = new(StringComparer.Ordinal);
    private SeccompRules? _rules;

    /// <summary>Reads the file and compiles it both ways that containers may need it.</summary>
    /// <exception cref="HostUnsuitableException">It cannot be read, or is not a list of rules that libseccomp takes; says what is wrong.</exception>
    public void Load()
    {
        if (string.IsNullOrEmpty(path))
        {
            return;
        }

        try
        {
            using var file = File.OpenRead(path);
            _rules = SeccompRules.Parse(file, path);
            _compiled.Clear();
            Find(new SecuritySpec());
            Find(new SecuritySpec { Nesting = true });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or ArgumentException or KernelException)
        {
            throw new HostUnsuitableException(
                $"The seccomp profile {path} ([lxd] seccomp_profile) cannot be used: {e.Message} Mend the file, or take the option away to have the shipped profile.");
        }
    }

    /// <summary>The container's filter; null: the shipped profile's.</summary>
    public byte[]? Find(SecuritySpec security) => _rules is { } rules
        ? _compiled.GetOrAdd($"{security.Nesting} {string.Join(' ', security.AllowSystemCalls.Order(StringComparer.Ordinal))}", _ => SeccompProfile.Compile(rules, security))
        : null;
}
