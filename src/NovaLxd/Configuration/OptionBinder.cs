using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace NovaLxd.Configuration;

/// <summary>The option's name in the file, where it is not the property's name in snake_case; older names are still read.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class OptionAttribute(string? name = null) : Attribute
{
    public string? Name { get; } = name;

    /// <summary>Older names, "name" or "section/name".</summary>
    public string[] Deprecated { get; init; } = [];

    /// <summary>Whether the value is kept out of logs.</summary>
    public bool Secret { get; init; }
}

/// <summary>
/// Fills option records from the operator's configuration. A record's properties are the options of one section: the name in snake_case, the initial value
/// the default, the summary the sentence in the sample file, DataAnnotations the limits. Faults are collected, so that the operator sees all at once.
/// </summary>
internal sealed class OptionBinder(OsloConfig config)
{
    private readonly List<string> _faults = [];

    public IReadOnlyList<string> Faults => _faults;

    public T Bind<T>(string section)
        where T : class => (T)Bind(typeof(T), section);

    /// <exception cref="ConfigurationException">With every fault found so far.</exception>
    public void ThrowOnFaults()
    {
        if (_faults.Count > 0)
        {
            throw new ConfigurationException("The configuration is not valid:\n  " + string.Join("\n  ", _faults));
        }
    }

    /// <summary>The options of a record: property and name in the file.</summary>
    public static IEnumerable<(PropertyInfo Property, string Name)> OptionsOf(Type type) =>
        from property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
        where property.SetMethod is { IsPublic: true } && property.Name != "EqualityContract"
        orderby property.MetadataToken
        select (property, property.GetCustomAttribute<OptionAttribute>()?.Name ?? SnakeCase(property.Name));

    /// <summary>Whether a property is a group of options of the same section rather than one option.</summary>
    public static bool IsGroup(PropertyInfo property) =>
        property.PropertyType.IsClass && property.PropertyType != typeof(string) && property.PropertyType.GetMethod("<Clone>$") is not null;

    public static string SnakeCase(string name)
    {
        var text = new StringBuilder(name.Length + 8);
        for (var i = 0; i < name.Length; i++)
        {
            if (char.IsUpper(name[i]) && i > 0 && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1]))))
            {
                text.Append('_');
            }

            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    public object Bind(Type type, string section)
    {
        var result = Activator.CreateInstance(type, nonPublic: true)!;
        foreach (var (property, name) in OptionsOf(type))
        {
            if (IsGroup(property))
            {
                property.SetValue(result, Bind(property.PropertyType, section));
                continue;
            }

            var entries = Find(section, name, property.GetCustomAttribute<OptionAttribute>());
            if (entries.Count > 0)
            {
                Set(result, property, entries);
            }
        }

        return result;
    }

    private IReadOnlyList<OsloConfigEntry> Find(string section, string name, OptionAttribute? attribute)
    {
        var entries = config.Find(section, name);
        foreach (var older in attribute?.Deprecated ?? [])
        {
            if (entries.Count > 0)
            {
                break;
            }

            var slash = older.IndexOf('/', StringComparison.Ordinal);
            entries = slash < 0 ? config.Find(section, older) : config.Find(older[..slash], older[(slash + 1)..]);
        }

        return entries;
    }

    private void Set(object target, PropertyInfo property, IReadOnlyList<OsloConfigEntry> entries)
    {
        var last = entries[^1];
        try
        {
            var value = OptionValue.Parse(property.PropertyType, [.. entries.Select(e => e.Value)], property.GetCustomAttribute<MultiValuedAttribute>() is not null);
            foreach (var rule in property.GetCustomAttributes<ValidationAttribute>())
            {
                if (!rule.IsValid(value))
                {
                    throw new FormatException(rule.FormatErrorMessage(last.Key));
                }
            }

            property.SetValue(target, value);
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentException)
        {
            var place = last.Line > 0 ? $"{last.File}:{last.Line}" : last.File;
            var shown = property.GetCustomAttribute<OptionAttribute>()?.Secret == true ? "***" : last.Value;
            _faults.Add(string.Create(CultureInfo.InvariantCulture, $"{place}: [{last.Section}] {last.Key} = {shown}: {e.Message}"));
        }
    }
}

/// <summary>An option that may be given several times; all values count (oslo MultiStrOpt).</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class MultiValuedAttribute : Attribute;
