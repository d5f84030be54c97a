using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;

namespace NovaLxd.OpenStack.ProviderConfig;

/// <summary>
/// What a file of schema version 1 must look like (nova/compute/provider_config.py: SCHEMA_V1 and the checks after it). Returns all faults,
/// each with its place, so that a file is mended in one go.
/// </summary>
internal static partial class ProviderConfigSchema
{
    public const string ComputeNode = "$COMPUTE_NODE";

    private static readonly string[] WholeFields = ["total", "reserved", "min_unit", "max_unit", "step_size"];

    /// <summary>Major and minor of meta.schema_version, null when it cannot be told.</summary>
    public static (int Major, int Minor)? Version(JToken? file) =>
        file is JObject { } root && root["meta"] is JObject meta && meta["schema_version"] is { Type: JTokenType.String } version
        && VersionNumber().Match((string)version!) is { Success: true } match && int.TryParse(match.Groups[1].Value, out var major) && int.TryParse(match.Groups[2].Value, out var minor)
            ? (major, minor)
            : null;

    public static IReadOnlyList<string> Validate(JObject file)
    {
        var faults = new List<string>();
        if (file.ContainsKey("__source_file"))
            faults.Add("__source_file: this name is reserved");
        if (!SchemaVersion().IsMatch((string?)file["meta"]?["schema_version"] ?? ""))
            faults.Add("meta.schema_version: must be a quoted text of the form '1.0'");
        if (file["providers"] is not { } providers)
            return faults;
        if (providers is not JArray list)
            return [.. faults, "providers: must be a list"];
        for (var i = 0; i < list.Count; i++)
            Provider(list[i], $"providers[{i}]", faults);
        return faults;
    }

    private static void Provider(JToken token, string at, List<string> faults)
    {
        if (token is not JObject provider)
        {
            faults.Add($"{at}: must be a mapping with identification, inventories and traits");
            return;
        }

        Identification(provider["identification"], at + ".identification", faults);
        foreach (var (additional, where) in Additional(provider, "inventories", at, faults))
            Inventories(additional, where, faults);
        foreach (var (additional, where) in Additional(provider, "traits", at, faults))
        {
            if (additional.Type != JTokenType.String || !Name().IsMatch((string)additional!))
                faults.Add($"{where}: '{additional}' is not a trait name (1 to 255 of A-Z, 0-9 and _)");
            else if (!IsCustom((string)additional!))
                faults.Add($"{where}: '{additional}' is not a custom trait: only names that begin with CUSTOM_ may be added");
        }
    }

    private static void Identification(JToken? token, string at, List<string> faults)
    {
        if (token is not JObject { Count: 1 } identification)
        {
            faults.Add($"{at}: must be a mapping with exactly one of uuid and name");
            return;
        }

        var (method, value) = ((JProperty)identification.First!).Name is var name ? (name, identification[name]!) : default;
        switch (method)
        {
            case "uuid" when value.Type != JTokenType.String || ((string)value! != ComputeNode && !Uuid().IsMatch((string)value!)):
                faults.Add($"{at}.uuid: '{value}' is neither a uuid nor {ComputeNode}");
                break;
            case "name" when value.Type != JTokenType.String || ((string)value!).Length is < 1 or > 200:
                faults.Add($"{at}.name: must be a text of 1 to 200 characters");
                break;
            case "uuid" or "name":
                break;
            default:
                faults.Add($"{at}: '{method}' is not known, use uuid or name");
                break;
        }
    }

    private static void Inventories(JToken token, string at, List<string> faults)
    {
        if (token is not JObject classes)
        {
            faults.Add($"{at}: must be a mapping of a resource class to its inventory");
            return;
        }

        foreach (var (name, value) in classes)
        {
            var where = $"{at}.{name}";
            if (!Name().IsMatch(name))
                faults.Add($"{where}: is not a resource class name (1 to 255 of A-Z, 0-9 and _)");
            else if (!IsCustom(name))
                faults.Add($"{where}: is not a custom resource class: only names that begin with CUSTOM_ may be added");
            if (value is JObject inventory)
                Inventory(inventory, where, faults);
            else
                faults.Add($"{where}: must be a mapping with total and, if wanted, reserved, min_unit, max_unit, step_size and allocation_ratio");
        }
    }

    private static void Inventory(JObject inventory, string at, List<string> faults)
    {
        if (!inventory.ContainsKey("total"))
            faults.Add($"{at}: total is missing");
        foreach (var (field, value) in inventory)
        {
            if (WholeFields.Contains(field))
            {
                if (!IsWhole(value))
                    faults.Add($"{at}.{field}: must be a whole number, not '{value}'");
            }
            else if (field == "allocation_ratio")
            {
                if (value?.Type is not (JTokenType.Integer or JTokenType.Float))
                    faults.Add($"{at}.{field}: must be a number, not '{value}'");
            }
            else
            {
                faults.Add($"{at}.{field}: is not known, an inventory has total, reserved, min_unit, max_unit, step_size and allocation_ratio");
            }
        }
    }

    private static IEnumerable<(JToken Item, string Where)> Additional(JObject provider, string part, string at, List<string> faults)
    {
        if (provider[part] is not { } holder)
            return [];
        if (holder is not JObject mapping)
        {
            faults.Add($"{at}.{part}: must be a mapping with the list additional");
            return [];
        }

        if (mapping["additional"] is not { } additional)
            return [];
        if (additional is JArray list)
            return list.Select((item, i) => (item, $"{at}.{part}.additional[{i}]"));
        faults.Add($"{at}.{part}.additional: must be a list");
        return [];
    }

    private static bool IsWhole(JToken? value) =>
        value is { Type: JTokenType.Integer } ? (long)value is >= int.MinValue and <= int.MaxValue : value is { Type: JTokenType.Float } && double.IsInteger((double)value) && Math.Abs((double)value) <= int.MaxValue;

    private static bool IsCustom(string name) => name.StartsWith("CUSTOM_", StringComparison.Ordinal);

    [GeneratedRegex(@"^(\d+)\.(\d+)$")]
    private static partial Regex VersionNumber();

    [GeneratedRegex(@"^1.([0-9]|[1-9][0-9]+)$")]
    private static partial Regex SchemaVersion();

    [GeneratedRegex("^[A-Z0-9_]{1,255}$")]
    private static partial Regex Name();

    [GeneratedRegex("^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$")]
    private static partial Regex Uuid();
}
