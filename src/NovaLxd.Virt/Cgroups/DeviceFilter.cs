using System.Globalization;

namespace NovaLxd.Virt.Cgroups;

/// <summary>A device or range of devices a container may use. Null number: any.</summary>
/// <param name="Type">'c' or 'b'.</param>
/// <param name="Access">Of "rwm": read, write, mknod.</param>
internal readonly record struct DeviceRule(char Type, uint? Major, uint? Minor, string Access)
{
    /// <summary>The form of v1's devices.allow: "c 136:* rwm".</summary>
    public override string ToString() => $"{Type} {Number(Major)}:{Number(Minor)} {Access}";

    private static string Number(uint? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "*";
}

/// <summary>
/// Which devices a system container may use: those without which no operating system boots, terminals, FUSE and TUN, which are all safe in the hands
/// of its own user namespace. Making nodes is left to the kernel, which forbids it there anyway (user_namespaces(7)); allowing it here lets
/// package managers see the errno they know. Numbers: Documentation/admin-guide/devices.txt.
/// </summary>
internal static class DeviceFilter
{
    public static readonly IReadOnlyList<DeviceRule> SystemContainer =
    [
        new('c', null, null, "m"),
        new('b', null, null, "m"),
        new('c', 1, 3, "rwm"), // null
        new('c', 1, 5, "rwm"), // zero
        new('c', 1, 7, "rwm"), // full
        new('c', 1, 8, "rwm"), // random
        new('c', 1, 9, "rwm"), // urandom
        new('c', 5, 0, "rwm"), // tty
        new('c', 5, 1, "rwm"), // console
        new('c', 5, 2, "rwm"), // ptmx
        new('c', 136, null, "rwm"), // pts/*
        new('c', 10, 200, "rwm"), // net/tun
        new('c', 10, 229, "rwm"), // fuse
    ];
}
