using Newtonsoft.Json.Linq;
using NovaLxd.Objects;
using NovaLxd.Rpc;

namespace NovaLxd.Tests.Rpc;

public sealed class RequestReaderTests
{
    private sealed record Request(
        Instance Instance, IReadOnlyList<BlockDeviceMapping>? Bdms, bool CleanShutdown = true, string? Node = null, int? TailLength = null,
        IReadOnlyList<string>? AccelUuids = null, JObject? Limits = null);

    private static JObject Instance => Recorded.Object<Instance>("zed").ToPrimitive();

    [Fact]
    public void ReadsByNovasNames()
    {
        var request = RequestReader.Read<Request>(new JObject
        {
            ["instance"] = Instance,
            ["clean_shutdown"] = false,
            ["node"] = "n",
            ["tail_length"] = 10,
            ["accel_uuids"] = new JArray("a"),
            ["limits"] = new JObject { ["vcpu"] = 1 },
            ["bdms"] = NovaList<BlockDeviceMapping>.Of([NovaObject.Create<BlockDeviceMapping>()]).ToPrimitive(),
        });

        Assert.Equal((false, "n", 10), (request.CleanShutdown, request.Node, request.TailLength));
        Assert.Equal(["a"], request.AccelUuids);
        Assert.Equal(1, (int?)request.Limits!["vcpu"]);
        Assert.Single(request.Bdms!);
    }

    [Fact]
    public void ListsOfObjectsComeInTwoForms()
    {
        var plain = new JArray(NovaObject.Create<BlockDeviceMapping>().ToPrimitive());

        Assert.Single(RequestReader.Read<Request>(new JObject { ["instance"] = Instance, ["bdms"] = plain }).Bdms!);
    }

    [Fact]
    public void WhatIsMissingOrNullHasItsDefault()
    {
        var request = RequestReader.Read<Request>(new JObject { ["instance"] = Instance, ["clean_shutdown"] = null });

        Assert.True(request.CleanShutdown);
        Assert.Null(request.Bdms);
        Assert.Null(request.TailLength);
    }

    [Fact]
    public void AMissingArgumentIsNamed() =>
        Assert.Equal("Argument instance is missing.", Assert.Throws<RequestFormatException>(() => RequestReader.Read<Request>([])).Message);

    [Fact]
    public void AnArgumentOfAnotherKindIsNamed()
    {
        var fault = Assert.Throws<RequestFormatException>(
            () => RequestReader.Read<Request>(new JObject { ["instance"] = NovaObject.Create<Flavor>().ToPrimitive() }));

        Assert.Equal("Argument instance is not what it should be: expected a Instance, found Flavor", fault.Message);
    }

    [Fact]
    public void UnknownArgumentsAreIgnoredUnlessAskedOtherwise()
    {
        var args = new JObject { ["instance"] = Instance, ["target_state"] = null };

        Assert.NotNull(RequestReader.Read<Request>(args));
        Assert.Contains("target_state", Assert.Throws<RequestFormatException>(() => RequestReader.Read<Request>(args, strict: true)).Message, StringComparison.Ordinal);
    }
}
