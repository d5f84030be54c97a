using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text;
using System.Xml.Linq;

namespace NovaLxd.Configuration;

/// <summary>
/// The text of <c>novalxd.conf.sample</c>, made from the option records: the records are the only place where an option, its default and its sentence stand.
/// </summary>
internal static class SampleFile
{
    private const int Width = 110;

    public static string Render(IEnumerable<(string Section, Type Options)> sections)
    {
        var text = new StringBuilder();
        text.Append("# NovaLxd reads the file that nova-compute reads: the same sections and names. Options that are not listed here are ignored.\n");
        text.Append("# What stands behind a # is the default.\n");
        foreach (var section in sections.GroupBy(s => s.Section))
        {
            text.Append("\n[").Append(section.Key).Append("]\n");
            foreach (var (_, type) in section)
            {
                RenderOptions(text, type, Activator.CreateInstance(type, nonPublic: true)!);
            }
        }

        return text.ToString();
    }

    private static void RenderOptions(StringBuilder text, Type type, object defaults)
    {
        foreach (var (property, name) in OptionBinder.OptionsOf(type))
        {
            if (OptionBinder.IsGroup(property))
            {
                RenderOptions(text, property.PropertyType, property.GetValue(defaults) ?? Activator.CreateInstance(property.PropertyType, nonPublic: true)!);
                continue;
            }

            text.Append('\n');
            foreach (var line in Wrap(Sentence(property) + Limits(property)))
            {
                text.Append("# ").Append(line).Append('\n');
            }

            text.Append('#').Append(name).Append(" = ").Append(Default(property, defaults)).Append('\n');
        }
    }

    /// <summary>Defaults that depend on the machine are left empty: the sentence says what they are.</summary>
    private static string? Default(PropertyInfo property, object defaults) => property.Name switch
    {
        nameof(ServiceOptions.Host) or nameof(ServiceOptions.MyIp) when property.DeclaringType == typeof(ServiceOptions) => "",
        _ => OptionValue.Format(property.GetValue(defaults)),
    };

    private static string Limits(PropertyInfo property)
    {
        if (property.GetCustomAttribute<MultiValuedAttribute>() is not null)
        {
            return " May be given several times.";
        }

        var bare = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        return bare.IsEnum
            ? $" One of {string.Join(", ", Enum.GetValues(bare).Cast<Enum>().Select(v => OptionValue.Format(v)))}."
            : property.GetCustomAttribute<AllowedValuesAttribute>() is { } allowed ? $" One of {string.Join(", ", allowed.Values)}." : "";
    }

    /// <summary>The property's summary, from the XML documentation beside the assembly.</summary>
    private static string Sentence(PropertyInfo property)
    {
        var assembly = property.DeclaringType!.Assembly;
        var id = $"P:{property.DeclaringType.FullName!.Replace('+', '.')}.{property.Name}";
        var summary = Documentation(assembly).Descendants("member").FirstOrDefault(m => (string?)m.Attribute("name") == id)?.Element("summary")
            ?? throw new InvalidOperationException($"{id} has no summary: every option needs its sentence.");
        return string.Join(' ', summary.Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private static XDocument Documentation(Assembly assembly) =>
        XDocument.Load(Path.Combine(AppContext.BaseDirectory, assembly.GetName().Name + ".xml"));

    private static IEnumerable<string> Wrap(string text)
    {
        var line = new StringBuilder();
        foreach (var word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > Width)
            {
                yield return line.ToString();
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        yield return line.ToString();
    }
}
