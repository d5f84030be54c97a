using System.Text;
using Newtonsoft.Json.Linq;
using NovaLxd.Metadata;
using NovaLxd.Objects;

namespace NovaLxd.Tests.Metadata;

/// <summary>What a user finds on the drive; that it is all that Nova writes, <see cref="ConfigDriveInteropTests"/> show.</summary>
public sealed class ConfigDriveContentTests
{
    private readonly Dictionary<string, byte[]> _drive = Described.Drive(Described.Everything());

    [Fact]
    public void TheLatestMetadataHasWhatTheUserAskedFor()
    {
        var metadata = Json("openstack/latest/meta_data.json");
        Assert.Equal("wéb", (string?)metadata["meta"]!["role"]);
        Assert.Equal("ssh-rsa AAAA", (string?)metadata["public_keys"]!["mine"]);
        Assert.Equal(("pässword", "web.novalocal"), ((string?)metadata["admin_pass"], (string?)metadata["hostname"]));
        Assert.Equal(512, Convert.FromBase64String((string)metadata["random_seed"]!).Length);
        Assert.Equal(["nic", "root"], metadata["devices"]!.Select(device => (string?)device["tags"]?[0]).OfType<string>());
        Assert.Equal("none", (string?)metadata["devices"]![0]!["bus"]);
    }

    [Fact]
    public void TheOldestVersionHasNoMoreThanItHadThen()
    {
        var metadata = Json("openstack/2012-08-10/meta_data.json");
        Assert.DoesNotContain(metadata.Properties(), field => field.Name is "random_seed" or "project_id" or "devices" or "dedicated_cpus");
        Assert.DoesNotContain("openstack/2012-08-10/network_data.json", _drive.Keys);
        Assert.Contains("openstack/2015-10-15/network_data.json", _drive.Keys);
        Assert.DoesNotContain("openstack/2016-06-30/vendor_data2.json", _drive.Keys);
    }

    [Fact]
    public void FilesAreFoundByTheirPlace()
    {
        Assert.Equal(
            """[{"path": "/etc/motd", "content_path": "/content/0000"}, {"path": "/root/raw", "content_path": "/content/0001"}]""",
            PythonJson.Write(Json("openstack/latest/meta_data.json")["files"]!));
        Assert.Equal("hello"u8.ToArray(), _drive["openstack/content/0000"]);
        Assert.Equal([0, 255, 10], _drive["openstack/content/0001"]);
    }

    [Fact]
    public void UserDataIsAsTheUserWroteIt()
    {
        Assert.Equal(Described.UserData, Encoding.UTF8.GetString(_drive["openstack/latest/user_data"]));
        Assert.Equal(Described.UserData, Encoding.UTF8.GetString(_drive["ec2/latest/user-data"]));
    }

    [Fact]
    public void SkippedVersionsOfEc2AreNotThere()
    {
        Assert.DoesNotContain("ec2/1.0/meta-data.json", _drive.Keys);
        Assert.Equal(["2009-04-04", "latest"], Described.Drive(Described.Of(Described.Plain(), NetworkInfo.Empty)).Keys
            .Where(path => path.StartsWith("ec2/", StringComparison.Ordinal)).Select(path => path.Split('/')[1]).Distinct());
    }

    [Fact]
    public void WithoutVendorDataThereIsNoFileOfIt()
    {
        var drive = Described.Drive(Described.Everything() with { VendorData = new VendorDataFiles(null, []) });
        Assert.DoesNotContain("openstack/latest/vendor_data.json", drive.Keys);
        Assert.Equal("{}", Encoding.ASCII.GetString(drive["openstack/latest/vendor_data2.json"]));
    }

    private JObject Json(string path) => JObject.Parse(Encoding.UTF8.GetString(_drive[path]));
}
