using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

public sealed class ContainerStoreTests : IDisposable
{
    private readonly string _state = Directory.CreateTempSubdirectory("nlt-store-").FullName;
    private readonly CancellationToken _token = CancellationToken.None;

    public void Dispose() => Directory.Delete(_state, true);

    [Fact]
    public async Task WhatWasWrittenIsFoundAgainWithEveryValue()
    {
        var spec = DriverHost.Spec() with
        {
            RootDiskBytes = 1 << 30,
            Limits = new ResourceLimits { Cpus = 1.5, CpuSet = "0-1", SwapBytes = 0 },
            Init = ["/sbin/init", "x"],
            Security = new SecuritySpec { Nesting = true, AllowSystemCalls = ["bpf"] },
            Labels = new Dictionary<string, string> { ["nova"] = "é" },
        };
        var record = new ContainerRecord { Id = spec.Id, Spec = spec, IdMap = new IdMap(1_000_000, 65536), Created = true };
        var situation = new ContainerSituation { Ports = [DriverHost.Port(1)], PluggedInBoot = "b", LastExit = "x", Crashed = true };
        await NewStore().SaveAsync(record, _token);
        await NewStore().SaveSituationAsync(record, situation, _token);

        var found = (await LoadAsync()).Find(spec.Id)!;
        Assert.Equal(record with { Situation = situation }, found, (a, b) => Text(a) == Text(b));
        Assert.Equal(situation.Ports[0].Details, found.Situation.Ports[0].Details);
    }

    [Fact]
    public async Task OnlyRootMayReadRecords()
    {
        var record = await SaveAsync();
        var folder = NewStore().Folder(record.Id);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(folder, "container.json")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{ \"id\": ")]
    [InlineData("{}")]
    [InlineData("null")]
    public async Task ARecordThatCannotBeReadIsLeftAloneAndTheOthersAreFound(string content)
    {
        var (broken, whole) = (await SaveAsync("a"), await SaveAsync("b"));
        var path = Path.Combine(NewStore().Folder(broken.Id), "container.json");
        await File.WriteAllTextAsync(path, content);
        Assert.Equal(whole.Id, Assert.Single((await LoadAsync()).Records).Id);
        Assert.Equal(content, await File.ReadAllTextAsync(path));
    }

    [Fact]
    public async Task ASituationLostInAPowerFailureIsAnEmptyOne()
    {
        var record = await SaveAsync();
        await File.WriteAllTextAsync(Path.Combine(NewStore().Folder(record.Id), "state.json"), "");
        Assert.Empty((await LoadAsync()).Find(record.Id)!.Situation.Ports);
    }

    [Fact]
    public async Task AWriteThatFailsLeavesTheOldRecord()
    {
        var record = await SaveAsync();
        var store = await LoadAsync();
        Directory.CreateDirectory(Path.Combine(store.Folder(record.Id), "state.json.new"));
        await Assert.ThrowsAnyAsync<Exception>(() => store.SaveSituationAsync(record, new ContainerSituation { LastExit = "new" }, _token));
        Assert.Null(store.Find(record.Id)!.Situation.LastExit);
    }

    [Fact]
    public async Task RemovingLeavesWhatOthersKeepOfTheContainer()
    {
        var record = await SaveAsync();
        var store = await LoadAsync();
        var disk = Path.Combine(store.Folder(record.Id), "root.ext4");
        await File.WriteAllTextAsync(disk, "data");
        await File.WriteAllTextAsync(Path.Combine(store.Folder(record.Id), "console.log"), "boot");
        store.Remove(record.Id);
        Assert.Equal([disk], Directory.GetFiles(store.Folder(record.Id)));
        Assert.Empty((await LoadAsync()).Records);
        File.Delete(disk);
        store.Remove(record.Id);
        Assert.False(Directory.Exists(store.Folder(record.Id)));
        store.Remove(record.Id);
    }

    private static string Text(ContainerRecord record) => System.Text.Json.JsonSerializer.Serialize(record, ContainerRecordJson.Default.ContainerRecord)
        + System.Text.Json.JsonSerializer.Serialize(record.Situation, ContainerRecordJson.Default.ContainerSituation);

    private async Task<ContainerRecord> SaveAsync(string name = "c1")
    {
        var spec = DriverHost.Spec(name);
        var record = new ContainerRecord { Id = spec.Id, Spec = spec, Created = true };
        await NewStore().SaveAsync(record, _token);
        return record;
    }

    private ContainerStore NewStore() => new(_state, NullLogger.Instance);

    private async Task<ContainerStore> LoadAsync()
    {
        var store = NewStore();
        await store.LoadAsync(_token);
        return store;
    }
}

/// <summary>On a file system of 64 KiB.</summary>
[Trait("Lane", "root")]
public sealed class ContainerStoreRootTests : IAsyncLifetime
{
    private readonly string _state = Directory.CreateTempSubdirectory("nlt-full-").FullName;
    private readonly HostResources _before;

    public ContainerStoreRootTests()
    {
        RootLane.Require();
        _before = HostResources.Take(_state);
    }

    public async Task InitializeAsync() =>
        await Processes.CommandRunner.RunAsync(["mount", "-t", "tmpfs", "-o", "size=64k", "nlt-full", _state], CancellationToken.None);

    public async Task DisposeAsync()
    {
        await Processes.CommandRunner.RunAsync(["umount", _state], CancellationToken.None);
        Directory.Delete(_state);
        await _before.AssertUnchangedAsync();
    }

    [Fact]
    public async Task AFullFileSystemIsReportedAsSuchAndTheOldRecordStands()
    {
        var store = new ContainerStore(_state, NullLogger.Instance);
        var spec = DriverHost.Spec();
        var record = new ContainerRecord { Id = spec.Id, Spec = spec, Created = true };
        await store.SaveAsync(record, CancellationToken.None);
        var filling = File.Create(Path.Combine(_state, "filling"));
        Assert.ThrowsAny<IOException>(() =>
        {
            using (filling)
            {
                filling.Write(new byte[1 << 20]);
            }
        });
        await Assert.ThrowsAsync<OutOfSpaceException>(() => store.SaveAsync(record with { Created = false }, CancellationToken.None));
        await store.LoadAsync(CancellationToken.None);
        Assert.True(store.Find(spec.Id)!.Created);
    }
}
