using System.Text.RegularExpressions;

namespace NovaLxd.Configuration;

/// <summary>
/// The operator's configuration: files in order, the later wins; environment variables <c>OS_GROUP__OPTION</c> above files; values given on the command
/// line above all. <c>$name</c>, <c>${name}</c> and <c>${group.name}</c> are replaced (oslo.config 9, cfg.py).
/// </summary>
internal sealed partial class OsloConfig
{
    private const int MaxInterpolationDepth = 10;

    private readonly IReadOnlyList<OsloConfigEntry> _entries;
    private readonly Func<string, string?> _environment;
    private readonly IReadOnlyDictionary<(string Section, string Key), string> _overrides;

    public OsloConfig(
        IEnumerable<OsloConfigEntry> entries,
        Func<string, string?>? environment = null,
        IReadOnlyDictionary<(string Section, string Key), string>? overrides = null)
    {
        _entries = [.. entries];
        _environment = environment ?? (_ => null);
        _overrides = overrides ?? new Dictionary<(string, string), string>();
    }

    /// <summary>Values of an option, replaced and with its place; empty when it is not set. Only the last one counts for single-valued options.</summary>
    /// <param name="section">Section name; exact, else by any case.</param>
    /// <param name="key">Option name; exact.</param>
    public IReadOnlyList<OsloConfigEntry> Find(string section, string key)
    {
        if (_overrides.TryGetValue((section, key), out var given))
        {
            return [new OsloConfigEntry(section, key, given, "command line", 0)];
        }

        var variable = $"OS_{section}__{key}".ToUpperInvariant();
        if (_environment(variable) is { } set)
        {
            return [new OsloConfigEntry(section, key, set, "environment " + variable, 0)];
        }

        return [.. Matching(section, key).Select(e => e with { Value = Interpolate(e.Value, section, 0) })];
    }

    /// <summary>Names of the options that stand in a section.</summary>
    public IEnumerable<string> Keys(string section) => _entries.Where(e => e.Section == section).Select(e => e.Key).Distinct();

    private IEnumerable<OsloConfigEntry> Matching(string section, string key)
    {
        var exact = _entries.Where(e => e.Section == section && e.Key == key).ToList();
        return exact.Count > 0
            ? exact
            : _entries.Where(e => e.Section.Equals(section, StringComparison.OrdinalIgnoreCase) && e.Key == key);
    }

    private string Interpolate(string value, string section, int depth)
    {
        if (!value.Contains('$', StringComparison.Ordinal) || depth > MaxInterpolationDepth)
        {
            return value;
        }

        return Reference().Replace(value, match =>
        {
            if (match.Groups["escape"].Success)
            {
                return "$";
            }

            var name = match.Groups["name"].Value;
            var dot = name.IndexOf('.', StringComparison.Ordinal);
            var found = dot > 0
                ? Raw(name[..dot], name[(dot + 1)..])
                : Raw(section, name) ?? Raw("DEFAULT", name);
            return found is null ? match.Value : Interpolate(found, section, depth + 1);
        });
    }

    private string? Raw(string section, string key)
    {
        if (_overrides.TryGetValue((section, key), out var given))
        {
            return given;
        }

        return Matching(section, key).LastOrDefault()?.Value ?? OptionDefaults.Find(section, key);
    }

    [GeneratedRegex(@"(?<escape>\$\$|\\\$)|\$\{(?<name>[A-Za-z_][A-Za-z0-9_.]*)\}|\$(?<name>[A-Za-z_][A-Za-z0-9_.]*)")]
    private static partial Regex Reference();
}

/// <summary>Defaults that other options refer to (<c>$state_path</c>, <c>$my_ip</c>) when the operator did not set them.</summary>
internal static class OptionDefaults
{
    public static string? Find(string section, string key) => (section, key) switch
    {
        ("DEFAULT", "state_path") => ServiceOptions.DefaultStatePath,
        ("DEFAULT", "my_ip") => HostAddress.Find(),
        ("DEFAULT", "host") => Environment.MachineName,
        _ => null,
    };
}
