using System.Diagnostics;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Metadata;
using NovaLxd.Objects;

namespace NovaLxd.Tests.Metadata;

/// <summary>The same instances given to Nova's own code: every file that either writes, to the byte. Needs Debian's python3-nova, as the lane of the broker does.</summary>
[Trait("Lane", "broker")]
public sealed class ConfigDriveInteropTests
{
    [Fact]
    public Task AnInstanceOfWhichEverythingIsAskedFor() => AssertSameAsync(Described.Everything());

    [Fact]
    public Task AnInstanceOfWhichNothingIs() => AssertSameAsync(Described.Of(Described.Plain(), NetworkInfo.Empty));

    [Fact]
    public Task AnInstanceWithoutARootDevice()
    {
        var instance = Described.Plain();
        instance.Set("root_device_name", null);
        return AssertSameAsync(Described.Of(instance, NetworkInfo.Empty) with { SkippedVersions = new HashSet<string>() });
    }

    [Fact]
    public Task EveryRecordedNetwork()
    {
        Assert.NotEmpty(Described.RecordedNetworks);
        return AssertSameAsync([.. Described.RecordedNetworks.Select(network => Described.Of(Described.Plain(), network))]);
    }

    [Fact]
    public Task NetworksWithoutDhcpAndOfBothFamilies() =>
        AssertSameAsync([.. NetworkMetadataTests.Networks.Select(network => Described.Of(Described.Plain(), network))]);

    private static async Task AssertSameAsync(params InstanceMetadata[] instances)
    {
        foreach (var (metadata, novas) in instances.Zip(await NovasAsync(instances)))
        {
            var ours = Described.Drive(metadata);
            Assert.Equal(((JObject)novas).Properties().Select(file => file.Name).Order(), ours.Keys.Order());
            foreach (var (path, content) in ours)
            {
                Assert.Equal((path, Text(Convert.FromBase64String((string)novas[path]!))), (path, Text(content)));
            }
        }
    }

    private static string Text(byte[] content) => Encoding.Latin1.GetString(content);

    private static async Task<JArray> NovasAsync(IReadOnlyList<InstanceMetadata> instances)
    {
        var folder = Directory.CreateTempSubdirectory("nlt-drive-");
        try
        {
            var novas = await RunAsync(new JArray(instances.Select((metadata, number) => Given(metadata, Path.Combine(folder.FullName, $"{number}.json")))));
            Assert.Equal(instances.Count, novas.Count);
            return novas;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static JObject Given(InstanceMetadata metadata, string vendorFile)
    {
        File.WriteAllText(vendorFile, metadata.VendorData.File!.ToString(Formatting.None));
        return new JObject
        {
            ["instance"] = metadata.Instance.ToPrimitive(),
            ["network_info"] = metadata.NetworkInfo.ToJson(),
            ["security_groups"] = new JArray(metadata.SecurityGroups),
            ["disks"] = new JArray(metadata.BlockDevices.Select(disk => disk.ToPrimitive())),
            ["files"] = new JArray(metadata.Files.Select(file => new JObject { ["path"] = file.Path, ["content"] = Convert.ToBase64String(file.Content) })),
            ["admin_pass"] = metadata.AdminPassword,
            ["api"] = new JObject { ["config_drive_skip_versions"] = string.Join(' ', metadata.SkippedVersions), ["vendordata_jsonfile_path"] = vendorFile },
        };
    }

    private static async Task<JArray> RunAsync(JArray given)
    {
        var info = new ProcessStartInfo("/usr/bin/python3", [Path.Combine(AppContext.BaseDirectory, "interop", "config_drive.py")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using var process = Process.Start(info)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(given.ToString(Formatting.None));
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"python3 failed; python3-nova of Debian is needed. It said: {await errors}");
        return JArray.Parse(await output);
    }
}
