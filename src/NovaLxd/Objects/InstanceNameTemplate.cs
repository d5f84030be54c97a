using System.Globalization;
using System.Text;

namespace NovaLxd.Objects;

/// <summary><c>[DEFAULT] instance_name_template</c>, a Python printf format (nova/objects/instance.py, property name).</summary>
internal static class InstanceNameTemplate
{
    /// <exception cref="FormatException">A conversion other than d, i, x, X, o and s, or a field the instance does not have.</exception>
    internal static string Apply(string template, Instance instance)
    {
        var name = new StringBuilder();
        for (var i = 0; i < template.Length; i++)
        {
            if (template[i] != '%')
            {
                name.Append(template[i]);
                continue;
            }

            i = Conversion(template, i + 1, instance, name);
        }

        return name.ToString();
    }

    /// <summary>Writes one conversion and returns the position of its last character.</summary>
    private static int Conversion(string template, int at, Instance instance, StringBuilder name)
    {
        if (at < template.Length && template[at] == '%')
        {
            name.Append('%');
            return at;
        }

        var field = "id";
        if (at < template.Length && template[at] == '(')
        {
            var close = template.IndexOf(')', at);
            if (close < 0)
            {
                throw Bad(template, "a parenthesis is not closed");
            }

            field = template[(at + 1)..close];
            at = close + 1;
        }

        var zero = at < template.Length && template[at] == '0';
        var digits = at;
        while (at < template.Length && char.IsAsciiDigit(template[at]))
        {
            at++;
        }

        var width = at > digits ? int.Parse(template.AsSpan(digits, at - digits), CultureInfo.InvariantCulture) : 0;
        if (at == template.Length)
        {
            throw Bad(template, "it ends inside a conversion");
        }

        if (!instance.IsSet(field))
        {
            throw Bad(template, $"an instance has no field {field}");
        }

        var text = template[at] switch
        {
            'd' or 'i' => Number().ToString(CultureInfo.InvariantCulture),
            'x' => Number().ToString("x", CultureInfo.InvariantCulture),
            'X' => Number().ToString("X", CultureInfo.InvariantCulture),
            'o' => Convert.ToString(Number(), 8),
            's' => instance.GetString(field) ?? "None",
            var other => throw Bad(template, $"conversion {other} is none of d, i, x, X, o, s"),
        };
        name.Append(text.PadLeft(width, zero && template[at] != 's' ? '0' : ' '));
        return at;

        long Number() => instance.GetLong(field) ?? throw Bad(template, $"field {field} is null");
    }

    private static FormatException Bad(string template, string reason) => new($"[DEFAULT] instance_name_template = {template}: {reason}.");
}
