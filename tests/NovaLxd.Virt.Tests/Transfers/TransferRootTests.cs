using System.Formats.Tar;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Tests.Engine;

namespace NovaLxd.Virt.Tests.Transfers;

/// <summary>Real containers between two hosts, which are two of this layer on one machine, with folders, supervisors and id ranges of their own.</summary>
[Trait("Lane", "root")]
public sealed class TransferRootTests : IAsyncLifetime
{
    private const string ImageKey = "busybox";
    private readonly string _mark = $"nlt{Guid.NewGuid().ToString("N")[..6]}";
    private readonly string _folder;
    private readonly HostResources _before;
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromMinutes(20));
    private ServiceProvider _source = null!;
    private ServiceProvider _target = null!;

    public TransferRootTests()
    {
        RootLane.Require();
        _before = HostResources.Take(_mark);
        _folder = Path.Combine(Path.GetTempPath(), _mark);
    }

    private CancellationToken Token => _limit.Token;

    public async Task InitializeAsync()
    {
        _source = await StartAsync("a", 3_000_000);
        _target = await StartAsync("b", 5_000_000);
        foreach (var host in new[] { _source, _target })
        {
            await ImportAsync(host);
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var host in new[] { _source, _target })
        {
            foreach (var container in await Driver(host).ListAsync(CancellationToken.None))
            {
                await Driver(host).DeleteAsync(container.Id, CancellationToken.None);
            }

            await host.DisposeAsync();
        }

        foreach (var name in new[] { "a", "b" })
        {
            if (RunningSupervisor.Find(Options(name, 3_000_000).RuntimeDirectory) is { } supervisor)
            {
                await CommandRunner.RunAsync(["kill", "-TERM", supervisor.ToString(CultureInfo.InvariantCulture)], CancellationToken.None);
                await ProcessEnd.WaitAsync(supervisor);
            }

            NovaLxd.Virt.Cgroups.Cgroups.Detect().RemoveParent(_mark + name);
        }

        Directory.Delete(_folder, recursive: true);
        _limit.Dispose();
        await _before.AssertUnchangedAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AContainerRunsOnTheOtherHostWithEverythingItHad(bool limited)
    {
        var spec = await CreateAsync(limited ? 64L << 20 : null, Drive, new DiskSpec("/mnt", 32 << 20), new DiskSpec("/media/ephemeral1", 32 << 20));
        await ShellAsync(_source, spec.Id, """
            echo kept > /root/note; cp /bin/busybox /root/suid; chown 1000:2000 /root/suid; chmod 4750 /root/suid
            ln /root/note /root/other; rm /etc/motd; mkdir -p /var/a/b; mkfifo /var/pipe; ln -s /nowhere /var/link
            dd if=/dev/zero of=/root/sparse bs=1 count=1 seek=20000000
            rm -r /etc/conf.d; mkdir /etc/conf.d; touch /etc/conf.d/own
            touch -t 200001020304.05 /root/note; echo scratch > /mnt/data; chown 1000:2000 /mnt/data; sync
            """);
        await StopAsync(spec.Id);
        var upper = await UpperAsync(_source, spec.Id);
        var capability = new byte[24];
        (capability[3], capability[4], capability[20], capability[21], capability[22]) = (3, 1, 0xC0, 0xC6, 0x2D); // version 3, root 3_000_000
        SetXattr(upper, "root/suid", Xattr.SecurityCapability, capability);
        SetXattr(upper, "root/note", Xattr.AccessAcl, Acl(3_001_000));
        SetXattr(upper, "root/note", "user.mark", "of the guest"u8.ToArray());
        await Driver(_source).StopAsync(spec.Id, TimeSpan.Zero, Token);

        await MoveAsync(spec.Id);

        await Driver(_target).StartAsync(spec.Id, Token);
        Assert.Equal("kept", await ShellAsync(_target, spec.Id, "cat /root/note"));
        Assert.Equal("-rwsr-x--- 1000 2000", await ShellAsync(_target, spec.Id, "stat -c '%A %u %g' /root/suid"));
        Assert.Equal("2 0 0", await ShellAsync(_target, spec.Id, "stat -c '%h %u %g' /root/other"));
        Assert.Equal("gone", await ShellAsync(_target, spec.Id, "test -e /etc/motd || echo gone"));
        Assert.Equal("fifo", await ShellAsync(_target, spec.Id, "stat -c %F /var/pipe"));
        Assert.Equal("/nowhere", await ShellAsync(_target, spec.Id, "readlink /var/link"));
        Assert.Equal("small", await ShellAsync(_target, spec.Id, "test $(stat -c %b /root/sparse) -lt 100 && test $(stat -c %s /root/sparse) = 20000001 && echo small"));
        Assert.Equal("own", await ShellAsync(_target, spec.Id, "ls /etc/conf.d"));
        Assert.Equal("{}600 0", await ShellAsync(_target, spec.Id, "cd /config-drive/openstack; cat meta_data.json; stat -c '%a %u' meta_data.json"));
        Assert.Equal("CD001", await ShellAsync(_target, spec.Id, "dd if=/dev/disk/by-label/config-2 bs=1 skip=32769 count=5 2>/dev/null"));
        Assert.StartsWith("2000-01-02 03:04:05", await ShellAsync(_target, spec.Id, "stat -c %y /root/note"), StringComparison.Ordinal);
        Assert.Equal("scratch1000 2000", await ShellAsync(_target, spec.Id, "cat /mnt/data | tr -d '\\n'; stat -c '%u %g' /mnt/data"));
        Assert.Equal("2", await ShellAsync(_target, spec.Id, "grep -cE ' (/mnt|/media/ephemeral1) ext4 ' /proc/mounts"));
        await ShellAsync(_target, spec.Id, "touch /root/new /etc/new /media/ephemeral1/new");
        await Driver(_target).StopAsync(spec.Id, TimeSpan.Zero, Token);

        var moved = GetXattr(await UpperAsync(_target, spec.Id), "root/suid", Xattr.SecurityCapability);
        Assert.Equal(5_000_000u, BitConverter.ToUInt32(moved.AsSpan(20)));
        var there = await UpperAsync(_target, spec.Id);
        Assert.Equal(Acl(5_001_000), GetXattr(there, "root/note", Xattr.AccessAcl));
        Assert.Equal("of the guest"u8.ToArray(), GetXattr(there, "root/note", "user.mark"));
        await Driver(_target).StopAsync(spec.Id, TimeSpan.Zero, Token);

        // The source has what it had.
        await Driver(_source).StartAsync(spec.Id, Token);
        Assert.Equal("kept", await ShellAsync(_source, spec.Id, "cat /root/other"));
    }

    [Fact]
    public async Task ADiskKeepsItsHoles()
    {
        var spec = await CreateAsync(1L << 30);
        await StopAsync(spec.Id);
        await MoveAsync(spec.Id);
        Assert.InRange(new FileInfo(Disk("b", spec.Id)).Length, 1L << 30, 1L << 30);

        // It has been mounted since, which writes some blocks.
        Assert.InRange(Allocated(Disk("b", spec.Id)), 1, Allocated(Disk("a", spec.Id)) + (1 << 20));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AnImageThatIsNowhereElseComesAlong(bool limited)
    {
        await Driver(_target).DeleteImageAsync(ImageKey, Token);
        var spec = await CreateAsync(limited ? 64L << 20 : null);
        await StopAsync(spec.Id);
        await MoveAsync(spec.Id, withImage: true);
        await Driver(_target).StartAsync(spec.Id, Token);
        Assert.Equal("guest", await ShellAsync(_target, spec.Id, "hostname"));
        Assert.NotNull(await Driver(_target).FindImageAsync(ImageKey, Token));
    }

    [Fact]
    public async Task ATreeDeeperThanAnyPathIsGivenOverToo()
    {
        var spec = await CreateAsync(64L << 20);
        await ShellAsync(_source, spec.Id, "cd /root; i=0; while [ $i -lt 60 ]; do n=$(printf '%0100d' $i); mkdir $n; cd $n; i=$((i+1)); done; touch end");
        await StopAsync(spec.Id);
        await MoveAsync(spec.Id);
        await Driver(_target).StartAsync(spec.Id, Token);
        Assert.Equal("", await ShellAsync(_target, spec.Id, "cd /root; i=0; while [ $i -lt 60 ]; do n=$(printf '%0100d' $i); cd $n; test $(stat -c %u .) = 0 || echo $i; i=$((i+1)); done; stat -c %u end | grep -v '^0$' || true"));
    }

    [Fact]
    public async Task ARunningContainerDoesNotLeave()
    {
        var spec = await CreateAsync(64L << 20);
        var failure = await Assert.ThrowsAsync<ContainerStateException>(() => Transfers(_source).DepartAsync(spec.Id, Token));
        Assert.Contains("stop it first", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AContainerThatLeavesCannotBeStartedAndCanAfterwards()
    {
        var spec = await CreateAsync(64L << 20);
        await StopAsync(spec.Id);
        await using (await Transfers(_source).DepartAsync(spec.Id, Token))
        {
            await Assert.ThrowsAsync<ContainerStateException>(() => Driver(_source).StartAsync(spec.Id, Token));
        }

        await Driver(_source).StartAsync(spec.Id, Token);
    }

    [Fact]
    public async Task WhatArrivedHalfIsTakenAwayByTheNextStart()
    {
        var spec = await CreateAsync(null);
        await StopAsync(spec.Id);
        await using (var departure = await Transfers(_source).DepartAsync(spec.Id, Token))
        {
            var arrival = await Transfers(_target).ExpectAsync(departure.Manifest, Token);
            await FerryAsync(departure, arrival, "root");

            // As after a kill: nothing is said to the arrival.
            await _target.DisposeAsync();
            _target = await StartAsync("b", 5_000_000);
        }

        Assert.Null(await Driver(_target).FindAsync(spec.Id, Token));
        Assert.False(Directory.Exists(Path.Combine(_folder, "b", "state", "containers", spec.Id.ToString())));
        Assert.DoesNotContain(Directory.EnumerateFiles(Path.Combine(_folder, "a", "state", "containers", spec.Id.ToString())), f => f.EndsWith(".tar", StringComparison.Ordinal));
        await MoveAsync(spec.Id);
        await Driver(_target).StartAsync(spec.Id, Token);
    }

    [Fact]
    public async Task DamagedDataLeaveNothingBehind()
    {
        var spec = await CreateAsync(64L << 20);
        await StopAsync(spec.Id);
        await using var departure = await Transfers(_source).DepartAsync(spec.Id, Token);
        await using (var arrival = await Transfers(_target).ExpectAsync(departure.Manifest, Token))
        {
            var hash = await FerryAsync(departure, arrival, "root");
            var wrong = new Dictionary<string, string> { ["root"] = hash[..^1] + (hash[^1] == '0' ? '1' : '0') };
            var failure = await Assert.ThrowsAsync<TransferRefusedException>(() => arrival.CompleteAsync(wrong, Token));
            Assert.Contains("damaged on the way", failure.Message, StringComparison.Ordinal);
        }

        Assert.Null(await Driver(_target).FindAsync(spec.Id, Token));
        Assert.False(Directory.Exists(Path.Combine(_folder, "b", "state", "containers", spec.Id.ToString())));
    }

    [Fact]
    public async Task RoomIsAskedForBeforeAnythingComes()
    {
        var spec = new ContainerSpec { Id = Guid.NewGuid(), Name = "big", Hostname = "big", ImageKey = ImageKey, RootDiskBytes = 1L << 60 };
        var manifest = new ContainerManifest { Spec = spec, Root = RootForm.Disk, IdMapBase = 3_000_000, Parts = [new TransferPart("root", 1L << 60, 1L << 59)] };
        var failure = await Assert.ThrowsAsync<OutOfSpaceException>(() => Transfers(_target).ExpectAsync(manifest, Token));
        Assert.Contains("MiB left", failure.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(_folder, "b", "state", "containers", spec.Id.ToString())));
    }

    private static DriveSpec Drive => new()
    {
        Folder = "/config-drive",
        Label = "config-2",
        Files = [new DriveFile("openstack/meta_data.json", "{}"u8.ToArray())],
    };

    /// <summary>As the kernel keeps it: the owner, one named user, the group, the mask and the others.</summary>
    private static byte[] Acl(uint user)
    {
        var list = new MemoryStream();
        list.Write(BitConverter.GetBytes(2u));
        foreach (var (tag, permissions, id) in new (ushort, ushort, uint)[] { (1, 6, uint.MaxValue), (2, 4, user), (4, 4, uint.MaxValue), (0x10, 4, uint.MaxValue), (0x20, 4, uint.MaxValue) })
        {
            list.Write(BitConverter.GetBytes(tag));
            list.Write(BitConverter.GetBytes(permissions));
            list.Write(BitConverter.GetBytes(id));
        }

        return list.ToArray();
    }

    private static IContainerDriver Driver(ServiceProvider host) => host.GetRequiredService<IContainerDriver>();

    private static IContainerTransfers Transfers(ServiceProvider host) => host.GetRequiredService<IContainerTransfers>();

    private VirtOptions Options(string name, uint idMapBase) => new()
    {
        StateDirectory = Path.Combine(_folder, name, "state"),
        RuntimeDirectory = Path.Combine(_folder, name, "run"),
        SupervisorPath = EngineHost.SupervisorPath,
        CgroupParent = _mark + name,
        IdMapBase = idMapBase,
        IdMapSize = 1_000_000,
    };

    private async Task<ServiceProvider> StartAsync(string name, uint idMapBase)
    {
        Directory.CreateDirectory(Path.Combine(_folder, name));
        var parts = VirtServicesTests.Build(Options(name, idMapBase));
        await Driver(parts).InitializeAsync(Token);
        return parts;
    }

    private async Task<ContainerSpec> CreateAsync(long? size, DriveSpec? drive = null, params DiskSpec[] disks)
    {
        var spec = new ContainerSpec { Id = Guid.NewGuid(), Name = $"{_mark}-1", Hostname = "guest", ImageKey = ImageKey, RootDiskBytes = size, Drive = drive, Disks = disks };
        await Driver(_source).CreateAsync(spec, Token);
        await Driver(_source).StartAsync(spec.Id, Token);
        return spec;
    }

    private Task<bool> StopAsync(Guid id) => Driver(_source).StopAsync(id, TimeSpan.Zero, Token);

    private async Task MoveAsync(Guid id, bool withImage = false)
    {
        await using var departure = await Transfers(_source).DepartAsync(id, Token);
        if (withImage)
        {
            await departure.AddImageAsync(Token);
        }

        var manifest = ContainerManifest.FromJson(departure.Manifest.ToJson());
        await using var arrival = await Transfers(_target).ExpectAsync(manifest, Token);
        var hashes = new Dictionary<string, string>();
        foreach (var part in departure.Manifest.Parts)
        {
            hashes[part.Name] = await FerryAsync(departure, arrival, part.Name);
        }

        await arrival.CompleteAsync(hashes, Token);
    }

    private async Task<string> FerryAsync(IContainerDeparture departure, IContainerArrival arrival, string part)
    {
        using var hash = new TransferHash();
        var buffer = new byte[1 << 20];
        for (var at = 0L; departure.ReadNext(part, at, buffer) is (var offset, > 0 and var length);)
        {
            hash.Append(offset, buffer.AsSpan(0, length));
            Assert.True(await arrival.WriteAsync(part, offset, buffer.AsMemory(0, length), Token));
            Assert.False(await arrival.WriteAsync(part, offset, buffer.AsMemory(0, length), Token));
            at = offset + length;
            Assert.Equal(at, arrival.Positions[part]);
        }

        return hash.Value;
    }

    private async Task<string> UpperAsync(ServiceProvider host, Guid id)
    {
        var storage = host.GetRequiredService<NovaLxd.Virt.Storage.IStorageBackend>();
        return (await storage.MountAsync(id, Token)).UpperDirectory;
    }

    private string Disk(string host, Guid id) => Path.Combine(_folder, host, "state", "containers", id.ToString(), "root.ext4");

    private static long Allocated(string path)
    {
        using var parent = DirectoryHandle.Open(Path.GetDirectoryName(path)!);
        return parent.Stat(Encoding.UTF8.GetBytes(Path.GetFileName(path)))!.Value.Blocks * 512;
    }

    private static void SetXattr(string folder, string path, string name, byte[] value)
    {
        using var parent = DirectoryHandle.Open(Path.GetDirectoryName(Path.Combine(folder, path))!);
        using var file = parent.OpenFile(Encoding.UTF8.GetBytes(Path.GetFileName(path)), writable: true);
        Assert.Equal(0, Xattr.Set(file, name, value));
    }

    private static byte[] GetXattr(string folder, string path, string name)
    {
        using var parent = DirectoryHandle.Open(Path.GetDirectoryName(Path.Combine(folder, path))!);
        using var file = parent.OpenFile(Encoding.UTF8.GetBytes(Path.GetFileName(path)));
        return Xattr.Get(file, name)!;
    }

    private async Task<string> ShellAsync(ServiceProvider host, Guid id, string command)
    {
        var result = await host.GetRequiredService<IGuestAccess>().ExecAsync(
            id, new ExecRequest { Command = ["/bin/sh", "-c", command], Timeout = EngineHost.Grace }, Token);
        Assert.True(result.ExitCode == 0, $"'{command}' ended with {result.ExitCode}: {Encoding.UTF8.GetString(result.StandardError)}");
        return Encoding.UTF8.GetString(result.StandardOutput).Trim();
    }

    private async Task ImportAsync(ServiceProvider host)
    {
        var image = new MemoryStream();
        using (var tar = new TarWriter(image, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (var folder in new[] { "bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "root", "run", "var" })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, folder + "/") { Mode = (UnixFileMode)0x1ED });
            }

            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "bin/busybox") { Mode = (UnixFileMode)0x1ED, DataStream = new MemoryStream(File.ReadAllBytes("/bin/busybox")) });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, "etc/conf.d/") { Mode = (UnixFileMode)0x1ED });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "etc/conf.d/image") { DataStream = new MemoryStream("hello\n"u8.ToArray()) });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "etc/motd") { DataStream = new MemoryStream("hello\n"u8.ToArray()) });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "etc/inittab") { DataStream = new MemoryStream("::respawn:/bin/sleep 1000000\n"u8.ToArray()) });
            foreach (var applet in new[]
            {
                "sh", "sleep", "cat", "echo", "ls", "hostname", "stat", "cp", "chmod", "chown", "ln", "rm", "mkdir", "mkfifo", "dd", "touch", "sync", "test", "readlink",
                "printf", "grep",
            })
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, $"bin/{applet}") { LinkName = "busybox" });
            }

            tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "sbin/init") { LinkName = "../bin/busybox" });
        }

        image.Position = 0;
        await Driver(host).ImportImageAsync(new ImageImport { Key = ImageKey, OpenAsync = _ => Task.FromResult<Stream>(image) }, Token);
    }
}
