using System.Text;
using Newtonsoft.Json.Linq;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Metadata;

/// <summary>The files of a config drive (nova/api/metadata/base.py:metadata_for_config_drive). Pure but for the seeds of random numbers.</summary>
internal static class ConfigDriveContent
{
    public static IEnumerable<DriveFile> From(InstanceMetadata metadata, Func<int, byte[]> random) =>
        [.. Ec2(metadata), .. OpenStack(metadata, random), .. UserFiles(metadata)];

    private static IEnumerable<DriveFile> Ec2(InstanceMetadata metadata)
    {
        foreach (var version in MetadataVersions.Ec2.Append(MetadataVersions.Latest).Where(version => !metadata.SkippedVersions.Contains(version)))
        {
            if (metadata.UserData is { } userData)
            {
                yield return new($"ec2/{version}/user-data", userData);
            }

            yield return Json($"ec2/{version}/meta-data.json", Ec2Metadata.From(metadata, version));
        }
    }

    private static IEnumerable<DriveFile> OpenStack(InstanceMetadata metadata, Func<int, byte[]> random)
    {
        var network = NetworkMetadata.From(metadata.NetworkInfo);
        foreach (var version in MetadataVersions.OpenStack.Append(MetadataVersions.Latest))
        {
            var folder = $"openstack/{version}";
            yield return Json($"{folder}/meta_data.json", OpenStackMetadata.From(metadata, version, random));
            if (metadata.UserData is { } userData)
            {
                yield return new($"{folder}/user_data", userData);
            }

            if (metadata.VendorData.File is { } vendor && MetadataVersions.Has(version, MetadataVersions.Havana))
            {
                yield return Json($"{folder}/vendor_data.json", vendor);
            }

            if (MetadataVersions.Has(version, MetadataVersions.Liberty))
            {
                yield return Json($"{folder}/network_data.json", network);
            }

            if (MetadataVersions.Has(version, MetadataVersions.NewtonTwo))
            {
                yield return Json($"{folder}/vendor_data2.json", metadata.VendorData.All);
            }
        }
    }

    private static IEnumerable<DriveFile> UserFiles(InstanceMetadata metadata) => metadata.Files.Select((file, number) =>
        new DriveFile($"openstack/{OpenStackMetadata.ContentFolder}/{OpenStackMetadata.ContentName(number)}", file.Content));

    private static DriveFile Json(string path, JToken json) => new(path, Encoding.ASCII.GetBytes(PythonJson.Write(json)));
}
