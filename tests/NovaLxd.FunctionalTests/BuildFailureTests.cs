using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.FunctionalTests;

/// <summary>Builds that cannot succeed: the user is told why, and nothing stays behind.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class BuildFailureTests(Broker broker) : IAsyncLifetime
{
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    /// <summary>Images that no host can take; each with a word that the fault has to have.</summary>
    public static TheoryData<string, string> BadImages => new()
    {
        { "corrupt", "sha512" },
        { "truncated", "" },
        { "empty", "" },
        { "not an archive", "" },
        { "hostile", "" },
        { "deleted", "Glance has no such image" },
        { "without init", "init" },
    };

    [Theory, MemberData(nameof(BadImages))]
    public async Task AnImageThatCannotBeIsTheUsersError(string what, string word)
    {
        var image = _site.AddImage(what switch
        {
            "truncated" => BusyboxImage.Make()[..300_000],
            "empty" => [],
            "not an archive" => new byte[100_000],
            "hostile" => BusyboxImage.Make(more: tar => BusyboxImage.AddFile(tar, "../../../../../tmp/" + _site.Mark + "-escaped", [1],
                executable: false)),
            "without init" => BusyboxImage.Make(init: ""),
            _ => BusyboxImage.Make(),
        });
        if (what == "corrupt")
        {
            _site.Plane.Cloud.Glance.Corrupt(image);
        }
        else if (what == "deleted")
        {
            _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(404, "GET", $"/v2/images/{image}/file"));
        }

        var server = await FailAsync(new ServerRequest { ImageId = image, MayReschedule = true });

        await AssertErrorAsync(server, word);
        Assert.False(File.Exists(Path.Combine(Path.GetTempPath(), _site.Mark + "-escaped")));
    }

    [Fact]
    public async Task AfterACorruptDownloadTheNextBuildSucceeds()
    {
        var image = _site.AddImage();
        _site.Plane.Cloud.Glance.Faults.Add(new Fault("GET", $"/v2/images/{image}/file") { Times = 1, Status = 200, Body = "this is not the image" });
        await AssertErrorAsync(await FailAsync(new ServerRequest { ImageId = image }), "");

        await _site.CreateActiveAsync(new ServerRequest { ImageId = image });
    }

    [Fact]
    public async Task ADownloadThatIsCutIsTakenUpAgain()
    {
        var image = _site.AddImage();
        _site.Plane.Cloud.Glance.Faults.Add(new Fault("GET", $"/v2/images/{image}/file") { Times = 1, AbortAfterBytes = 200_000 });

        await _site.CreateActiveAsync(new ServerRequest { ImageId = image });
    }

    [Fact]
    public async Task ABrokenGlanceMakesTheConductorTryAnotherHost()
    {
        var image = _site.AddImage();
        _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(500, "GET", $"/v2/images/{image}/file"));

        var server = await FailAsync(new ServerRequest { ImageId = image, MayReschedule = true });

        await AssertRescheduledAsync(server);
    }

    [Fact]
    public async Task ABrokenGlanceIsAnErrorWhenNoOtherHostMayTry()
    {
        var image = _site.AddImage();
        _site.Plane.Cloud.Glance.Faults.Add(Fault.Answer(500, "GET", $"/v2/images/{image}/file"));

        await AssertErrorAsync(await FailAsync(new ServerRequest { ImageId = image }), "");
    }

    [Fact]
    public async Task ABrokenNeutronIsAnErrorOnEveryHost()
    {
        _site.Plane.Cloud.Neutron.Faults.Add(Fault.Answer(500, "POST", "/v2.0/ports"));

        await AssertErrorAsync(await FailAsync(new ServerRequest { ImageId = _site.AddImage(), MayReschedule = true }), "Neutron made no port");
    }

    [Fact]
    public async Task AFullPortQuotaIsAnErrorThatNamesIt()
    {
        _site.Plane.Cloud.Neutron.PortQuota = 0;

        await AssertErrorAsync(await FailAsync(new ServerRequest { ImageId = _site.AddImage(), MayReschedule = true }), "quota");
    }

    [Fact]
    public async Task AHostWithoutAgentCannotBindThePort()
    {
        _site.Plane.Cloud.Neutron.RemoveHost(_site.Mark);

        var server = await FailAsync(new ServerRequest { ImageId = _site.AddImage(), MayReschedule = true });

        await AssertRescheduledAsync(server);
    }

    [Fact]
    public async Task APortThatNeverComesUpIsAnError()
    {
        await _site.DisposeAsync();
        _site = await ComputeSite.StartAsync(broker.Rabbit, ["vif_plugging_timeout = 10"]);
        _site.Plane.AgentAlive = false;

        await AssertErrorAsync(await FailAsync(new ServerRequest { ImageId = _site.AddImage(), MayReschedule = true }), "network agent");
    }

    [Fact]
    public async Task AnInitThatEndsAtOnceLeavesAStoppedServer()
    {
        // A guest may power itself off in its first second: the build was right, and the server is stopped with it.
        var server = await _site.CreateAsync(new ServerRequest { ImageId = _site.AddImage(BusyboxImage.Make(init: "#!/bin/sh\nexit 3\n")) });
        await _site.FinishedAsync(server.RequestId);

        await _site.StateAsync(server, "stopped");
        Assert.DoesNotContain(_site.Plane.PortsSeen, ComputeSite.TapExists);
    }

    [Fact]
    public async Task AnImageThatDoesNotFitTheFlavorsDiskIsAnError()
    {
        var image = _site.AddImage(BusyboxImage.Make(more: tar =>
        {
            tar.WriteEntry(new System.Formats.Tar.PaxTarEntry(System.Formats.Tar.TarEntryType.RegularFile,
                "huge")
            { DataStream = new EndlessZeros(1_200L << 20) });
        }, packed: true));

        await AssertErrorAsync(await FailAsync(new ServerRequest { ImageId = image, MayReschedule = true }), "");
    }

    private async Task<Server> FailAsync(ServerRequest request)
    {
        var server = await _site.CreateAsync(request);
        await _site.FinishedAsync(server.RequestId);
        return server;
    }

    private async Task AssertErrorAsync(Server server, string word)
    {
        var row = await _site.RowAsync(server);
        Assert.Equal(("error", null, null), ((string?)row["vm_state"], (string?)row["task_state"], (string?)row["host"]));
        AssertReadable(_site.Fault(server), word);
        Assert.Empty(_site.Plane.Reschedules);
        await _site.AssertGoneAsync(server);
    }

    private async Task AssertRescheduledAsync(Server server)
    {
        await _site.UntilAsync("the conductor has the build back", () => Task.FromResult(!_site.Plane.Reschedules.IsEmpty));
        var arguments = Assert.Single(_site.Plane.Reschedules);
        Assert.Equal(server.Uuid, (string?)arguments["instances"]![0]!["nova_object.data"]!["uuid"]);
        Assert.Equal("[[]]", arguments["host_lists"]!.ToString(Newtonsoft.Json.Formatting.None));
        Assert.NotEmpty((string?)arguments["filter_properties"]!["retry"]!["exc_reason"] ?? "");
        Assert.Equal(server.Arguments["image"]!["id"], arguments["image"]!["id"]);
        var row = await _site.RowAsync(server);
        Assert.Equal(("building", "scheduling", null), ((string?)row["vm_state"], (string?)row["task_state"], (string?)row["host"]));
        AssertReadable(_site.Fault(server), "");
        await _site.AssertGoneAsync(server);
    }

    /// <summary>A sentence for a user: no class name, no stack.</summary>
    private static void AssertReadable(string fault, string word)
    {
        Assert.NotEmpty(fault);
        Assert.Contains(word, fault, StringComparison.OrdinalIgnoreCase);
        Assert.Contains(' ', fault);
        Assert.DoesNotContain("Exception", fault, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", fault, StringComparison.Ordinal);
    }

    /// <summary>So many zeros.</summary>
    private sealed class EndlessZeros(long length) : Stream
    {
        private long _position;

        public override bool CanRead => true;
        public override bool CanSeek => true;
        public override bool CanWrite => false;
        public override long Length => length;
        public override long Position { get => _position; set => _position = value; }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = (int)Math.Min(count, length - _position);
            Array.Clear(buffer, offset, read);
            _position += read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
