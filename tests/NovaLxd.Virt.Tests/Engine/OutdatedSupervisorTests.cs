using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Drives;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Network;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Tests.Engine;

/// <summary>A service that was upgraded before the supervisor, which cannot even read a request that it does not know.</summary>
public sealed class OutdatedSupervisorTests : IDisposable
{
    private static readonly ContainerNic Nic = new(Guid.NewGuid(), "tap1", "nlx1", "eth1", "fa:16:3e:00:00:01", 1450);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nlt-sup-");
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
    private readonly ConcurrentQueue<string> _heard = [];

    public void Dispose()
    {
        _listener.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task IsNotAskedWhatItDoesNotKnowAndTheOperatorIsTold()
    {
        await using var engine = Engine(calls: null);
        var failure = await Assert.ThrowsAsync<SupervisorOutdatedException>(() => engine.AttachNicAsync(Guid.NewGuid(), Nic, CancellationToken.None));
        Assert.Contains("kill -USR2", failure.Message, StringComparison.Ordinal);
        Assert.Equal(["Hello", "Subscribe"], _heard);
    }

    [Fact]
    public async Task DoesNotKeepAnInterfaceFromLeaving()
    {
        await using var engine = Engine(calls: null);
        await engine.DetachNicAsync(Guid.NewGuid(), Nic.PortId, CancellationToken.None);
        await engine.UnfreezeAsync(Guid.NewGuid(), CancellationToken.None);
        Assert.Equal(["Hello", "Subscribe", "Unfreeze"], _heard);
    }

    /// <summary>It would launch the guest, and leave drive or disk out.</summary>
    [Theory]
    [InlineData(false, "LaunchWithDrive")]
    [InlineData(true, "LaunchWithDisks")]
    public async Task LaunchesNoGuestWithADrive(bool disk, string call)
    {
        await using var engine = Engine(calls: null);
        var spec = new LaunchSpec
        {
            Id = Guid.NewGuid(),
            Name = "c1",
            Hostname = "c1",
            Root = new RootfsMount(["/image"], "/upper", "/work"),
            Init = [],
            ConsoleLogPath = "/console.log",
            ConsoleLogBytes = 4096,
            CgroupParent = "c",
            Disks = disk ? [new DiskMount("/host", "/mnt")] : [],
            Drive = new DriveMount(["/files", "/image"], "/config-drive", "config-2", "disk.config"),
        };
        var failure = await Assert.ThrowsAsync<SupervisorOutdatedException>(() => engine.LaunchAsync(spec, CancellationToken.None));
        Assert.Contains(call, failure.Message, StringComparison.Ordinal);
        Assert.Equal(["Hello", "Subscribe"], _heard);
    }

    [Fact]
    public async Task OneThatKnowsTheRequestIsAsked()
    {
        await using var engine = Engine(calls: "[\"Launch\",\"AttachNic\",\"DetachNic\"]");
        await engine.AttachNicAsync(Guid.NewGuid(), Nic, CancellationToken.None);
        await engine.DetachNicAsync(Guid.NewGuid(), Nic.PortId, CancellationToken.None);
        Assert.Equal(["Hello", "Subscribe", "AttachNic", "DetachNic"], _heard);
    }

    /// <summary>An engine before a supervisor of which only the messages are played, in the words of its protocol.</summary>
    private ContainerEngine Engine(string? calls)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(_folder.FullName, SupervisorProtocol.SocketName)));
        _listener.Listen();
        _ = ServeAsync(calls is null ? "" : $",\"Calls\":{calls}");
        return new ContainerEngine(
            new VirtOptions { RuntimeDirectory = _folder.FullName, StateDirectory = _folder.FullName }, TimeProvider.System, NullLogger<ContainerEngine>.Instance);
    }

    private async Task ServeAsync(string calls)
    {
        using var connection = await _listener.AcceptAsync();
        var buffer = new byte[SupervisorProtocol.MaxMessage];
        while (await connection.ReceiveAsync(buffer) is > 0 and var length)
        {
            var request = SupervisorProtocol.DecodeRequest(buffer.AsSpan(0, length));
            _heard.Enqueue(request.Call.ToString());
            var hello = request.Call == SupervisorCall.Hello ? $",\"Version\":1,\"Instance\":\"{Guid.NewGuid()}\"{calls}" : "";
            await connection.SendAsync(Encoding.UTF8.GetBytes($"{{\"Sequence\":{request.Sequence},\"Last\":true{hello}}}"));
        }
    }
}
