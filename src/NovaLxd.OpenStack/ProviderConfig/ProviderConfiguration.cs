using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.OpenStack.Http;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.Placement.Models;

namespace NovaLxd.OpenStack.ProviderConfig;

/// <summary>What the operator adds to one provider. <paramref name="Identification"/>: its uuid or name, or $COMPUTE_NODE for every compute node not named by itself.</summary>
public sealed record ProviderAdditions(
    string Identification, string SourceFile, IReadOnlyDictionary<string, Inventory> Inventories, IReadOnlyList<string> Traits);

/// <summary>
/// The files *.yaml of [compute] provider_config_location: custom inventories and traits that flavors can ask for
/// (nova/compute/provider_config.py and resource_tracker.py: _merge_provider_configs). A trait that is taken out of the files stays
/// in Placement, as with Nova: it cannot be told from one that somebody set there.
/// </summary>
public sealed partial class ProviderConfiguration
{
    private readonly ILogger logger;
    private readonly HashSet<string> absent = [];

    private ProviderConfiguration(IReadOnlyList<ProviderAdditions> additions, ILogger logger)
    {
        Additions = additions;
        this.logger = logger;
    }

    public IReadOnlyList<ProviderAdditions> Additions { get; }

    /// <summary>Reads the directory; one that does not exist or holds no *.yaml is an empty configuration.</summary>
    /// <exception cref="ProviderConfigException">A file cannot be used.</exception>
    public static ProviderConfiguration Load(string directory, ILogger logger)
    {
        var files = Directory.Exists(directory) ? Directory.GetFiles(directory, "*.yaml").Order(StringComparer.Ordinal).ToList() : [];
        if (files.Count == 0)
            NothingFound(logger, directory);
        var additions = new List<ProviderAdditions>();
        foreach (var file in files)
        {
            foreach (var one in Read(file, logger))
            {
                if (additions.Find(a => a.Identification == one.Identification) is { } earlier)
                    throw new ProviderConfigException($"Provider {one.Identification} is defined twice: in {earlier.SourceFile} and in {one.SourceFile}.");
                additions.Add(one);
            }
        }

        return new(additions, logger);
    }

    /// <summary>
    /// The tree with the additions. <paramref name="isDriverOwned"/> says whether we report a resource class for a provider ourselves;
    /// such a class must not be added by a file. Pure but for a warning about providers that do not exist, given once.
    /// </summary>
    /// <exception cref="ProviderConfigException">Two entries mean the same provider, or an inventory is ours.</exception>
    public ProviderTree Apply(ProviderTree tree, Func<ResourceProvider, string, bool> isDriverOwned)
    {
        var done = new Dictionary<string, ProviderAdditions>();
        foreach (var addition in Additions)
        {
            foreach (var provider in Targets(tree, addition).ToList())
            {
                if (!done.TryAdd(provider.Uuid, addition))
                {
                    throw new ProviderConfigException(
                        $"{addition.SourceFile} conflicts with {done[provider.Uuid].SourceFile}: the provider {provider.Name} is given both by name and by its uuid {provider.Uuid}.");
                }

                var owned = addition.Inventories.Keys.Where(c => isDriverOwned(provider, c)).ToList();
                if (owned.Count > 0)
                {
                    throw new ProviderConfigException(
                        $"{addition.SourceFile}: the service itself reports {string.Join(", ", owned)} for the provider {provider.Name}; take it out of the file.");
                }

                tree = tree.With(provider with
                {
                    Traits = provider.Traits.Union(addition.Traits),
                    Inventories = provider.Inventories.SetItems(addition.Inventories),
                });
            }
        }

        return tree;
    }

    private IEnumerable<ResourceProvider> Targets(ProviderTree tree, ProviderAdditions addition)
    {
        if (addition.Identification == ProviderConfigSchema.ComputeNode)
        {
            return tree.Roots.Where(r => r.Traits.Contains("COMPUTE_NODE")
                && !Additions.Any(a => a.Identification == r.Name || a.Identification == r.Uuid));
        }

        if (tree.Find(addition.Identification) is { } found)
        {
            absent.Remove(addition.Identification);
            return [found];
        }

        if (absent.Add(addition.Identification))
            NoSuchProvider(logger, addition.Identification, addition.SourceFile);
        return [];
    }

    private static IEnumerable<ProviderAdditions> Read(string path, ILogger logger)
    {
        var name = Path.GetFileName(path);
        var content = YamlFile.Load(path);
        var version = ProviderConfigSchema.Version(content)
            ?? throw new ProviderConfigException($"{path}: the schema version cannot be told: the file must begin with meta: and schema_version: '1.0' (quoted) below it.");
        if (version.Major != 1)
            throw new ProviderConfigException($"{path}: schema version {version.Major}.{version.Minor} is not supported, only 1.x is.");
        if (version.Minor != 0)
            NewerMinor(logger, path, version.Minor);
        var file = (JObject)content!;
        if (ProviderConfigSchema.Validate(file) is { Count: > 0 } faults)
            throw new ProviderConfigException($"{path} is not a valid provider configuration of schema version {version.Major}.{version.Minor}:\n  " + string.Join("\n  ", faults));

        foreach (var provider in file["providers"] as JArray ?? [])
        {
            var identification = (string)((JProperty)provider["identification"]!.First!).Value!;
            var inventories = (provider["inventories"]?["additional"] as JArray ?? []).Cast<JObject>().SelectMany(o => o.Properties());
            var traits = (provider["traits"]?["additional"] as JArray ?? []).Values<string>().OfType<string>().Distinct().ToList();
            // The later of two entries for one class counts, as it does for Nova.
            var merged = inventories.GroupBy(p => p.Name).ToImmutableSortedDictionary(g => g.Key, g => g.Last().Value.ToObject<Inventory>(OpenStackJson.Serializer)!);
            if (merged.Count == 0 && traits.Count == 0)
                NothingAdded(logger, identification, path);
            else
                yield return new(identification, name, merged, traits);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "No provider configuration in {Directory}. If there are files, see that the service may read them.")]
    private static partial void NothingFound(ILogger logger, string directory);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} has schema version 1.{Minor}, which is newer than 1.0: fields that came later are ignored")]
    private static partial void NewerMinor(ILogger logger, string path, int minor);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Provider {Provider} in {Path} has neither additional inventories nor traits and is ignored")]
    private static partial void NothingAdded(ILogger logger, string provider, string path);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Provider {Provider} of {SourceFile} does not exist in Placement and is ignored")]
    private static partial void NoSuchProvider(ILogger logger, string provider, string sourceFile);
}
