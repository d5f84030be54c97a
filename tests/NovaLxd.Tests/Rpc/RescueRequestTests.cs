using Newtonsoft.Json.Linq;
using NovaLxd.Operations.Power;
using NovaLxd.Rpc;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Rpc;

/// <summary>Against what a real Nova of Zed sent (tests/wire/rpc/rescue-zed.json).</summary>
public sealed class RescueRequestTests
{
    private static readonly JObject Zed = (JObject)Recorded.Json("rpc/rescue-zed.json");

    [Fact]
    public void EveryArgumentOfARescueIsRead()
    {
        var request = RequestReader.Read<RescueInstance.Request>(Arguments("rescue"), strict: true);

        Assert.Equal(("cloudlab", null, true), (request.RescuePassword, request.RescueImageRef, request.CleanShutdown));
    }

    [Fact]
    public void AndOfItsEnd() => Assert.NotNull(RequestReader.Read<UnrescueInstance.Request>(Arguments("unrescue"), strict: true).Instance);

    private static JObject Arguments(string method)
    {
        var arguments = (JObject)Zed[method]!["arguments"]!.DeepClone();
        arguments["instance"] = new TestPlane().Instance.ToPrimitive();
        return arguments;
    }
}
