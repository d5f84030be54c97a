using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Tests.Engine;

namespace NovaLxd.Virt.Tests;

/// <summary>The whole layer on the real host, with a mark on everything it makes; afterwards the host is as it was.</summary>
public abstract class ContainerHostFixture : IAsyncLifetime
{
    private protected readonly string _mark = $"nlt{Guid.NewGuid().ToString("N")[..6]}";
    private protected readonly VirtOptions _options;
    private readonly string _folder;
    private readonly HostResources _before;
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromMinutes(20));
    private ServiceProvider _parts = null!;

    protected ContainerHostFixture()
    {
        RootLane.Require();
        _before = HostResources.Take(_mark);
        _folder = Path.Combine(Path.GetTempPath(), _mark);
        _options = new VirtOptions
        {
            StateDirectory = Path.Combine(_folder, "state"),
            RuntimeDirectory = Path.Combine(_folder, "run"),
            SupervisorPath = EngineHost.SupervisorPath,
            CgroupParent = _mark,
            IdMapBase = 3_000_000,
        };
    }

    private protected IContainerDriver Driver => _parts.GetRequiredService<IContainerDriver>();

    private protected IGuestAccess Guest => _parts.GetRequiredService<IGuestAccess>();

    private protected CancellationToken Token => _limit.Token;

    public async Task InitializeAsync()
    {
        Directory.CreateDirectory(_folder);
        await StartServiceAsync();
        await ImportAsync();
    }

    public async Task DisposeAsync()
    {
        foreach (var container in await Driver.ListAsync(CancellationToken.None))
        {
            await Driver.DeleteAsync(container.Id, CancellationToken.None);
        }

        await _parts.DisposeAsync();
        if (RunningSupervisor.Find(_options.RuntimeDirectory) is { } supervisor)
        {
            await CommandRunner.RunAsync(["kill", "-TERM", supervisor.ToString(CultureInfo.InvariantCulture)], CancellationToken.None);
            await ProcessEnd.WaitAsync(supervisor);
        }

        await RemoveAsync();
        NovaLxd.Virt.Cgroups.Cgroups.Detect().RemoveParent(_mark);
        Directory.Delete(_folder, recursive: true);
        _limit.Dispose();
        await _before.AssertUnchangedAsync();
    }

    /// <summary>The images that the tests need.</summary>
    private protected abstract Task ImportAsync();

    /// <summary>What the tests made on the host besides containers.</summary>
    private protected virtual Task RemoveAsync() => Task.CompletedTask;

    private protected async Task RestartServiceAsync()
    {
        await _parts.DisposeAsync();
        await StartServiceAsync();
    }

    /// <summary>Before its first process, init loses signals that are sent to it from inside.</summary>
    private protected Task BootedAsync(Guid id) =>
        EngineHost.UntilAsync("init's child", async () => (await Driver.GetUsageAsync(id, Token)).Processes >= 2);

    private protected async Task<string> ShellAsync(Guid id, string command)
    {
        var result = await Guest.ExecAsync(id, new ExecRequest { Command = ["/bin/sh", "-c", command], Timeout = EngineHost.Grace }, Token);
        Assert.True(result.ExitCode == 0, $"'{command}' ended with {result.ExitCode}: {Encoding.UTF8.GetString(result.StandardError)}");
        return Encoding.UTF8.GetString(result.StandardOutput).Trim();
    }

    private async Task StartServiceAsync()
    {
        _parts = VirtServicesTests.Build(_options);
        await Driver.InitializeAsync(Token);
    }
}
