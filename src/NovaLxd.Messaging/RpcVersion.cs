using System.Globalization;

namespace NovaLxd.Messaging;

/// <summary>Version rule of oslo.messaging (<c>_utils.py:version_is_compatible</c>).</summary>
public static class RpcVersion
{
    /// <summary>
    /// Whether an implementation of version <paramref name="implemented"/> can answer a request for <paramref name="requested"/>: same major,
    /// minor not above ours, and a third part not above ours when the minors are equal. Texts that are no versions are never compatible.
    /// </summary>
    public static bool IsCompatible(string implemented, string? requested) =>
        TryParse(implemented, out var ours) && TryParse(requested, out var theirs)
        && theirs.Major == ours.Major
        && theirs.Minor <= ours.Minor
        && (theirs.Minor < ours.Minor || theirs.Revision <= ours.Revision);

    private static bool TryParse(string? text, out (int Major, int Minor, int Revision) version)
    {
        version = default;
        var parts = text?.Split('.');
        if (parts is not { Length: >= 2 } || !Number(parts[0], out version.Major) || !Number(parts[1], out version.Minor))
        {
            return false;
        }

        return parts.Length < 3 || Number(parts[2], out version.Revision);
    }

    private static bool Number(string text, out int value) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
