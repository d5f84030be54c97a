using System.Text;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Objects;
using NovaLxd.OpenStack;
using NovaLxd.OpenStack.VendorData;
using NovaLxd.Outcomes;

namespace NovaLxd.Metadata;

/// <summary>
/// The operator's own data for instances: out of a file, and from services that are asked for each instance (nova/api/metadata/vendordata_json.py and
/// vendordata_dynamic.py). The file may change at any time and is read each time.
/// </summary>
internal sealed class VendorData(MetadataOptions options, VendorDataClient client, ILogger<VendorData> logger)
{
    private const string FromFile = "StaticJSON";
    private const string FromServices = "DynamicJSON";

    /// <summary>(1) vendor_data.json: the file (2) vendor_data2.json: by providers, the first to use a name has it.</summary>
    /// <param name="instance">With metadata and system_metadata.</param>
    /// <param name="cancellationToken">The caller gives up.</param>
    /// <exception cref="MetadataUnavailableException">The file cannot be read or is not JSON; a service fails, and that is to be fatal.</exception>
    public async Task<VendorDataFiles> ReadAsync(Instance instance, CancellationToken cancellationToken)
    {
        // (1)
        var file = options.VendordataProviders.Contains(FromFile) ? await ReadFileAsync(cancellationToken) : null;

        // (2)
        var all = new JObject();
        foreach (var provider in options.VendordataProviders)
        {
            switch (provider)
            {
                case FromFile:
                    all["static"] = file!.DeepClone();
                    break;
                case FromServices:
                    foreach (var (name, value) in await AskAsync(instance, cancellationToken))
                    {
                        if (!all.TryAdd(name, value))
                        {
                            logger.LogWarning("[api] vendordata_dynamic_targets: the name {Name} is taken already, and its data left out.", name);
                        }
                    }

                    break;
                default:
                    logger.LogWarning("[api] vendordata_providers: there is no provider {Provider}; there are {Static} and {Dynamic}.", provider, FromFile, FromServices);
                    break;
            }
        }

        return new VendorDataFiles(file, all);
    }

    private async Task<JToken> ReadFileAsync(CancellationToken cancellationToken)
    {
        if (options.VendordataJsonfilePath is not { Length: > 0 } path)
        {
            return new JObject();
        }

        try
        {
            return WireJson.Parse(await File.ReadAllTextAsync(path, Encoding.UTF8, cancellationToken));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new MetadataUnavailableException($"[api] vendordata_jsonfile_path: {path} cannot be read as JSON: {e.Message}", e);
        }
    }

    /// <summary>One after the other, as Nova does. One that fails has an empty object.</summary>
    private async Task<Dictionary<string, JToken>> AskAsync(Instance instance, CancellationToken cancellationToken)
    {
        var answers = new Dictionary<string, JToken>();
        foreach (var target in options.VendordataDynamicTargets)
        {
            if (target.Split('@', 2) is not [{ Length: > 0 } name, var url])
            {
                logger.LogWarning("[api] vendordata_dynamic_targets: {Target} is not name@address, and left out.", target);
            }
            else if (answers.ContainsKey(name))
            {
                logger.LogWarning("[api] vendordata_dynamic_targets: the name {Name} is used twice, and the second left out.", name);
            }
            else
            {
                answers[name] = await AskAsync(instance, name, url, cancellationToken);
            }
        }

        return answers;
    }

    private async Task<JToken> AskAsync(Instance instance, string name, string url, CancellationToken cancellationToken)
    {
        try
        {
            return await client.AskAsync(url, About(instance), cancellationToken);
        }
        catch (OpenStackException e) when (!options.VendordataDynamicFailureFatal)
        {
            logger.LogWarning("The instance goes without the vendor data of {Name}: {Reason}", name, e.Message);
            return new JObject();
        }
        catch (OpenStackException e)
        {
            throw new MetadataUnavailableException($"[api] vendordata_dynamic_targets: {name} gave no data: {e.Message}", e);
        }
    }

    private static JObject About(Instance instance) => new()
    {
        ["project-id"] = instance.ProjectId,
        ["instance-id"] = instance.Uuid,
        ["image-id"] = instance.ImageRef,
        ["user-data"] = instance.UserData,
        ["hostname"] = instance.Hostname,
        ["metadata"] = new JObject(instance.Metadata.Select(item => new JProperty(item.Key, item.Value))),
        ["boot-roles"] = instance.SystemMetadata.Find("boot_roles") ?? "",
    };
}

/// <summary>What the operator tells an instance.</summary>
/// <param name="File">vendor_data.json; null: there is none, not even an empty one.</param>
/// <param name="All">vendor_data2.json.</param>
internal sealed record VendorDataFiles(JToken? File, JObject All)
{
    public static VendorDataFiles None { get; } = new(new JObject(), new JObject { ["static"] = new JObject() });
}
