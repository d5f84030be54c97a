using NovaLxd.Virt.Drives;

namespace NovaLxd.Virt.Tests.Drives;

public sealed class DriveCheckTests
{
    private static readonly DriveSpec Good = new() { Folder = "/config-drive", Label = "config-2", Files = [new DriveFile("openstack/2012-08-10/meta_data.json", [1])] };

    [Fact]
    public void AUsualDriveIsAccepted() => Assert.Empty(DriveCheck.FindFaults(Good));

    [Theory]
    [InlineData("/")]
    [InlineData("config-drive")]
    [InlineData("/mnt/drive")]
    [InlineData("/..")]
    public void AFolderThatIsNotBelowTheRootIsRefused(string folder) => AssertRefused(Good with { Folder = folder }, folder);

    [Theory]
    [InlineData("")]
    [InlineData("../config-2")]
    [InlineData("config-2-long")]
    public void ALabelThatNoFileSystemHasIsRefused(string label) => AssertRefused(Good with { Label = label }, label);

    [Theory]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../b")]
    [InlineData("a//b")]
    [InlineData(".")]
    [InlineData("a\n")]
    public void AFileThatWouldLeaveTheDriveIsRefused(string path) => AssertRefused(Good with { Files = [new DriveFile(path, [])] }, path);

    [Fact]
    public void MoreThanTheImageCanHoldIsRefused() =>
        AssertRefused(Good with { Files = [new DriveFile("a", new byte[DriveCheck.MaxContentBytes]), new DriveFile("b", [1])] }, "more than");

    private static void AssertRefused(DriveSpec drive, string word)
    {
        Assert.Contains(word, Assert.Single(DriveCheck.FindFaults(drive)), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => ContainerSpecCheck.Check(Fakes.DriverHost.Spec() with { Drive = drive }));
    }
}
