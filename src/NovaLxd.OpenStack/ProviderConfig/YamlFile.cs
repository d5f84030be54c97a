using System.Globalization;
using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace NovaLxd.OpenStack.ProviderConfig;

/// <summary>Reads YAML into JSON values. Unquoted scalars become numbers, truth values or null as PyYAML reads them, so that files mean here what they mean to Nova.</summary>
internal static partial class YamlFile
{
    /// <summary>Deeper than any valid file; an anchor that contains itself has no end.</summary>
    private const int MaxDepth = 32;

    /// <exception cref="ProviderConfigException">The file cannot be read or is not YAML.</exception>
    public static JToken? Load(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            var yaml = new YamlStream();
            yaml.Load(reader);
            return yaml.Documents.Count switch
            {
                0 => null,
                1 => Convert(yaml.Documents[0].RootNode, MaxDepth),
                _ => throw new ProviderConfigException($"{path}: the file holds {yaml.Documents.Count} YAML documents, one is expected."),
            };
        }
        catch (YamlException e)
        {
            throw new ProviderConfigException($"{path}: not valid YAML at line {e.Start.Line}, column {e.Start.Column}: {e.InnerException?.Message ?? e.Message}", e);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // The library's scanner fails so when the text ends in the middle of a plain scalar; Convert does for what JSON cannot say.
            throw new ProviderConfigException($"{path}: not valid YAML: {e.Message} (a bracket may be open, a name may be no text, or an anchor may contain itself)", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ProviderConfigException($"{path}: the provider configuration file cannot be read: {e.Message}", e);
        }
    }

    private static JToken Convert(YamlNode node, int depth) => node switch
    {
        _ when depth == 0 => throw new ArgumentException("nested too deeply"),
        YamlMappingNode mapping => new JObject(mapping.Children.Select(c => new JProperty(Name(c.Key), Convert(c.Value, depth - 1)))),
        YamlSequenceNode sequence => new JArray(sequence.Children.Select(c => Convert(c, depth - 1))),
        YamlScalarNode { Style: ScalarStyle.Plain } plain => Resolve(plain.Value ?? ""),
        YamlScalarNode scalar => new JValue(scalar.Value),
        _ => JValue.CreateNull(),
    };

    private static string Name(YamlNode key) => (key as YamlScalarNode)?.Value ?? throw new ArgumentException("a name is a list or mapping");

    private static JValue Resolve(string text) => text switch
    {
        "" or "~" or "null" or "Null" or "NULL" => JValue.CreateNull(),
        _ when Truth().IsMatch(text) => new JValue(text.ToLowerInvariant() is "true" or "yes" or "on"),
        _ when Whole().IsMatch(text) && long.TryParse(text.Replace("_", "", StringComparison.Ordinal), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => new JValue(whole),
        _ when Fraction().IsMatch(text) => new JValue(double.Parse(text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture)),
        _ => new JValue(text),
    };

    [GeneratedRegex("^(yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$")]
    private static partial Regex Truth();

    [GeneratedRegex("^[-+]?(0|[1-9][0-9_]*)$")]
    private static partial Regex Whole();

    [GeneratedRegex(@"^[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?$")]
    private static partial Regex Fraction();
}
