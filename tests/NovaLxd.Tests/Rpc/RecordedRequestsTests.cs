using Newtonsoft.Json.Linq;
using NovaLxd.Operations.Build;
using NovaLxd.Operations.Images;
using NovaLxd.Rpc;

namespace NovaLxd.Tests.Rpc;

/// <summary>Requests as a real Nova sent them: every argument has its place.</summary>
public sealed class RecordedRequestsTests
{
    private static JObject Arguments(string method) => (JObject)Recorded.Json("rpc/images-zed.json")[method]!["arguments"]!;

    [Fact]
    public void ASnapshotIsUnderstood()
    {
        var request = RequestReader.Read<SnapshotInstance.Request>(Arguments("snapshot_instance"), strict: true);

        Assert.Equal("image_snapshot_pending", request.Instance.TaskState);
        Assert.True(Guid.TryParse(request.ImageId, out _));
    }

    [Fact]
    public void AShelveIsUnderstood()
    {
        var request = RequestReader.Read<ShelveInstance.Request>(Arguments("shelve_instance"), strict: true);

        Assert.Equal(("shelving", true), (request.Instance.TaskState, request.CleanShutdown));
        Assert.Equal("93a19c5c-0e9e-49f8-9038-d3da2af6114c", request.ImageId);
    }

    [Fact]
    public void AnUnshelveIsUnderstood()
    {
        var request = RequestReader.Read<UnshelveInstance.Request>(Arguments("unshelve_instance"), strict: true);

        Assert.Equal(("unshelving", "cmp1"), (request.Instance.TaskState, request.Node));
        Assert.Equal("93a19c5c-0e9e-49f8-9038-d3da2af6114c", (string?)request.Image!["id"]);
    }
}
