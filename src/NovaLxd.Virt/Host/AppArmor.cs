namespace NovaLxd.Virt.Host;

/// <summary>The label that containers run under where the host has AppArmor (apparmor(7)). The host's administrator loads it; it stands in <c>etc/apparmor.d</c>.</summary>
internal static class AppArmor
{
    public const string Profile = "novalxd-container";

    /// <param name="root">Where /proc and /sys are found.</param>
    public static bool IsOn(string root = "/") => ReadLines(root, "sys/module/apparmor/parameters/enabled").FirstOrDefault() == "Y";

    /// <summary>The profile, where it is loaded; null elsewhere. To be asked at each launch, as profiles come and go while containers run.</summary>
    /// <param name="root">Where /proc and /sys are found.</param>
    public static string? LoadedProfile(string root = "/") =>
        ReadLines(root, "sys/kernel/security/apparmor/profiles").Any(line => line.StartsWith($"{Profile} (", StringComparison.Ordinal)) ? Profile : null;

    private static IEnumerable<string> ReadLines(string root, string path) =>
        Path.Combine(root, path) is var file && File.Exists(file) ? File.ReadLines(file) : [];
}
