using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Hosting;
using NovaLxd.Messaging;
using NovaLxd.Startup;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.TestCloud.RabbitMq;
using NovaLxd.Virt;
using NovaLxd.Virt.Tests;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>
/// A host with the whole service on it: real containers, a real supervisor, a real broker, and a control plane around. Everything it makes carries
/// its mark; disposal removes it and checks that the host is as it was.
/// </summary>
internal sealed partial class ComputeSite : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private readonly HostResources _before;
    private readonly Func<OsloConfig> _load;
    private ComputeService? _service;

    private ComputeSite(string mark, ControlPlane plane, RabbitMqFixture broker, IEnumerable<string> settings, string? program)
    {
        (Mark, Plane) = (mark, plane);
        Folder = Path.Combine(Path.GetTempPath(), mark);
        _before = HostResources.Take(mark);
        Directory.CreateDirectory(Folder);
        ConfigurationFile = Path.Combine(Folder, "nova.conf");
        File.WriteAllLines(ConfigurationFile, Configuration(broker, settings));
        _load = () => ConfigurationSources.Load([ConfigurationFile]);
        Program = new ServiceProcess(program, ConfigurationFile, LogFile);
    }

    /// <summary>In the name of everything that is made; the host's name too.</summary>
    public string Mark { get; }

    public string Node => Mark + "-node";

    public string Folder { get; }

    public string ConfigurationFile { get; }

    public string StateFolder => Path.Combine(Folder, "state");

    public ControlPlane Plane { get; }

    /// <summary>The service as a process of its own, for tests that kill it.</summary>
    public ServiceProcess Program { get; }

    public IServiceProvider Services => _service!.Services;

    /// <summary>Null: none runs.</summary>
    public int? SupervisorPid => RunningSupervisor.Find(Path.Combine(Folder, "run"));

    public IContainerDriver Driver => Services.GetRequiredService<IContainerDriver>();

    private string LogFile => Path.Combine(Folder, "novalxd.log");

    /// <param name="settings">Last lines of the configuration file; they begin in section DEFAULT, and win over the site's own.</param>
    /// <param name="run">Whether the service is started, in this process, and waited for.</param>
    /// <param name="program">Path of the program that <see cref="Program"/> runs; null: the one built with these tests.</param>
    public static async Task<ComputeSite> StartAsync(RabbitMqFixture broker, IEnumerable<string>? settings = null, FakeRelease? release = null,
        bool run = true, string? program = null)
    {
        RootLane.Require();
        var mark = $"nlf{Guid.NewGuid().ToString("N")[..6]}";
        var plane = await ControlPlane.StartAsync(broker, mark, release ?? FakeRelease.Zed);
        var site = new ComputeSite(mark, plane, broker, settings ?? [], program);
        if (!run)
        {
            return site;
        }

        try
        {
            await site.StartServiceAsync();
            await site.ServingAsync();
            return site;
        }
        catch
        {
            await site.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the service in this process.</summary>
    /// <param name="customize">Last word on its parts.</param>
    public async Task StartServiceAsync(Action<IServiceCollection>? customize = null)
    {
        _service = ComputeService.Build([ConfigurationFile], _load, customize);
        await _service.StartAsync(CancellationToken.None);
    }

    /// <summary>Stops the service in this process as SIGTERM does.</summary>
    public async Task StopServiceAsync()
    {
        if (_service is not null)
        {
            await _service.StopAsync(CancellationToken.None);
            await _service.DisposeAsync();
            _service = null;
        }
    }

    public string Phase => Services.GetRequiredService<StartupState>().Phase;

    public Task ServingAsync() => UntilAsync("the service serves", () => Task.FromResult(Phase == "serving"));

    /// <summary>Waits until the program has come up for the so-manieth time.</summary>
    public Task ProgramServesAsync(int times = 1) =>
        UntilAsync("the program serves", () => Task.FromResult(Log().Split("is up\n").Length > times));

    public string Log()
    {
        if (!File.Exists(LogFile))
        {
            return "";
        }

        using var reader = new StreamReader(new FileStream(LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }

    /// <summary>Waits until something is so; in vain, fails with what it was and the end of the service's log.</summary>
    /// <param name="instead">Tells what is so instead.</param>
    public async Task UntilAsync(string what, Func<Task<bool>> condition, Func<string>? instead = null)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(begun) > Patience)
            {
                Assert.Fail($"Waited in vain until {what}. {instead?.Invoke()}\nThe end of the log:\n{string.Join('\n', Log().Split('\n').TakeLast(40))}");
            }

            await Task.Delay(30);
        }
    }

    public string AddImage(byte[]? content = null, JObject? properties = null) =>
        Plane.Cloud.Glance.AddImage("busybox", content ?? BusyboxImage.Make(), properties);

    /// <summary>Everything the API, conductor and scheduler do for a new server but the last message.</summary>
    public Server NewServer(ServerRequest request)
    {
        var server = Server.From(request, Plane.Cloud.Glance.Images[request.ImageId], Plane, Node);
        Plane.Conductor.AddInstance((JObject)server.Arguments["instance"]!);
        Plane.Conductor.AddAction(server.Uuid, "create", server.RequestId);
        Plane.Conductor.Locked(c =>
        {
            var devices = server.Arguments["block_device_mapping"]!["nova_object.data"]!["objects"]!;
            c.BlockDevices.AddRange(devices.Select(device => (JObject)device["nova_object.data"]!.DeepClone()));
            return 0;
        });
        var provider = Plane.Cloud.Placement.Providers.Values.Single(p => p.Name == Node).Uuid;
        Plane.Cloud.Placement.Allocate(
            server.Uuid, provider, ControlPlane.ProjectId, "alice", ("VCPU", 1), ("MEMORY_MB", 64), ("DISK_GB", Math.Max(1, request.RootGb + request.EphemeralGb)));
        return server;
    }

    public Task BuildAsync(Server server) => CastAsync(server.RequestId, "build_and_run_instance", server.Arguments);

    public async Task<Server> CreateAsync(ServerRequest request)
    {
        var server = NewServer(request);
        await BuildAsync(server);
        return server;
    }

    /// <summary>A server that runs.</summary>
    public async Task<Server> CreateActiveAsync(ServerRequest? request = null)
    {
        var server = await CreateAsync(request ?? new ServerRequest { ImageId = AddImage() });
        await StateAsync(server, "active");
        await FinishedAsync(server.RequestId);
        return server;
    }

    /// <summary>
    /// What the API does for an action: task state, action record, message. Returns when the action is finished, with the task taken back, which comes after
    /// the end of its event when the action failed.
    /// </summary>
    /// <returns>"Success" or "Error".</returns>
    public async Task<string> ActAsync(Server server, string method, string? taskState, JObject? arguments = null)
    {
        var result = await FinishedAsync(await SendAsync(server, method, taskState, arguments));
        if (result == "Error")
        {
            await UntilAsync($"{server.Uuid} has no task", async () => (string?)(await RowAsync(server))["task_state"] is null);
        }

        return result;
    }

    /// <summary>As <see cref="ActAsync"/>, and does not wait. Returns the request id.</summary>
    public async Task<string> SendAsync(Server server, string method, string? taskState, JObject? arguments = null)
    {
        var requestId = $"req-{Guid.NewGuid()}";
        Plane.Conductor.AddAction(server.Uuid, method, requestId);
        Plane.Conductor.Locked(c => c.Instances[server.Uuid]["task_state"] = taskState);
        arguments = arguments is null ? [] : (JObject)arguments.DeepClone();
        arguments["instance"] = await Plane.GetInstanceAsync(server.Uuid);
        await CastAsync(requestId, method, arguments);
        return requestId;
    }

    public async Task<JToken?> CallAsync(Server server, string method, JObject? arguments = null, TimeSpan? timeout = null)
    {
        arguments ??= [];
        arguments["instance"] = await Plane.GetInstanceAsync(server.Uuid);
        return await Plane.Api.CallAsync(new RpcTarget("compute", Mark, null, "6.0"), Plane.NewContext($"req-{Guid.NewGuid()}"), method, arguments, timeout);
    }

    public Task<string> DeleteAsync(Server server) => ActAsync(server, "terminate_instance", "deleting", Bdms());

    public static JObject Bdms() => new()
    {
        ["bdms"] = new JObject
        {
            ["nova_object.name"] = "BlockDeviceMappingList",
            ["nova_object.namespace"] = "nova",
            ["nova_object.version"] = "1.18",
            ["nova_object.data"] = new JObject { ["objects"] = new JArray() },
        },
    };

    /// <summary>Fields of the instance's row; deleted ones too.</summary>
    public async Task<JObject> RowAsync(Server server) => (JObject)(await Plane.GetInstanceAsync(server.Uuid))["nova_object.data"]!;

    /// <summary>Waits for a vm_state without task.</summary>
    public Task StateAsync(Server server, string vmState, string? taskState = null) =>
        UntilAsync($"{server.Uuid} is {vmState}/{taskState}", async () =>
    {
        var row = await RowAsync(server);
        return (string?)row["vm_state"] == vmState && (string?)row["task_state"] == taskState;
    });

    /// <summary>Waits for the end of an action's newest event and returns its result.</summary>
    public async Task<string> FinishedAsync(string requestId)
    {
        string? Result() => Plane.Conductor.Locked(c => c.Actions.FindLast(a => a.RequestId == requestId)?.Events.LastOrDefault()?.Result);
        await UntilAsync($"the action {requestId} is finished", () => Task.FromResult(Result() is not null));
        return Result()!;
    }

    public string Fault(Server server) =>
        Plane.Conductor.Locked(c => (string?)c.Faults.FindLast(f => (string?)f["instance_uuid"] == server.Uuid)?["message"]) ?? "";

    public IReadOnlyList<JObject> Ports(Server server) => [.. Plane.Cloud.Neutron.Ports.Values.Where(p => (string?)p["device_id"] == server.Uuid)];

    public static bool TapExists(string port) => Directory.Exists("/sys/class/net/" + ("tap" + port)[..14]);

    /// <summary>Asserts that nothing of the server is left: no container, no port here or in Neutron, no allocation.</summary>
    public async Task AssertGoneAsync(Server server)
    {
        Assert.Null(await Driver.FindAsync(Guid.Parse(server.Uuid), CancellationToken.None));
        await AssertNothingLeftAsync(server);
    }

    /// <summary>The same by what the host and the neighbours have, also for the program.</summary>
    public async Task AssertNothingLeftAsync(Server server)
    {
        Assert.Empty(Ports(server));
        Assert.DoesNotContain(Plane.PortsSeen, TapExists);
        await UntilAsync($"the allocation of {server.Uuid} is gone", () =>
            Task.FromResult(!Plane.Cloud.Placement.Consumers.ContainsKey(server.Uuid)));
        IReadOnlyList<string> left = [];
        await UntilAsync( // The kernel lets go of mounts and loop devices behind our back.
            $"nothing on the host bears the name of {server.Uuid}",
            () =>
            {
                left = [.. HostResources.Take(Mark).Lines.Where(line => line.Contains(server.Uuid, StringComparison.Ordinal))];
                return Task.FromResult(left.Count == 0);
            },
            () => string.Join('\n', left));
        Assert.Empty(Directory.EnumerateFileSystemEntries(StateFolder, $"*{server.Uuid}*", SearchOption.AllDirectories));
    }

    /// <summary>Starts the program again after it was killed, and returns when it serves.</summary>
    public async Task RestartProgramAsync()
    {
        var ups = Log().Split("is up\n").Length - 1;
        Program.Start();
        await ProgramServesAsync(ups + 1);
    }

    /// <summary>Process ids of the inits in this site's cgroups, without those that ended and wait to be reaped, and without their children that bear their name.</summary>
    public List<int> Guests() => [.. GuestProcesses().Where(pid => IsInit(ReadOrEmpty($"/proc/{pid}/status")))];

    /// <summary>Process ids of everything in this site's cgroups.</summary>
    public IEnumerable<int> GuestProcesses() => ProcessIds().Where(pid => ReadOrEmpty($"/proc/{pid}/cgroup").Contains(Mark, StringComparison.Ordinal));

    public Task CastAsync(string requestId, string method, JObject arguments) =>
        Plane.Api.CastAsync(new RpcTarget("compute", Mark, null, "6.0"), Plane.NewContext(requestId), method, arguments);

    public ValueTask DisposeAsync() => DisposeAsync(_ => false);

    /// <param name="foreign">Lines of <see cref="HostResources"/> that are not the site's.</param>
    public async ValueTask DisposeAsync(Func<string, bool> foreign)
    {
        await Program.DisposeAsync();
        await StopServiceAsync();
        await RemoveContainersAsync();
        await (_guest ? ValueTask.CompletedTask : Plane.DisposeAsync());
        await EndSupervisorAsync();
        await (_guest ? Task.CompletedTask : Command.RunAsync("sh", "-c", $"ip link delete brq{Plane.NetworkId[..11]} 2>/dev/null || true"));
        NovaLxd.Virt.Cgroups.Cgroups.Detect().RemoveParent(Mark);
        Directory.Delete(Folder, recursive: true);
        Assert.DoesNotContain(_guest ? [] : Plane.PortsSeen, TapExists);
        await AssertHostUnchangedAsync(foreign);
    }

    /// <summary>The kernel ends namespaces and their links behind our back, so it is given a while.</summary>
    private async Task AssertHostUnchangedAsync(Func<string, bool> foreign)
    {
        var begun = TimeProvider.System.GetTimestamp();
        string difference;
        while ((difference = Difference(foreign)).Length > 0 && TimeProvider.System.GetElapsedTime(begun) < Patience)
        {
            await Task.Delay(50);
        }

        Assert.True(difference.Length == 0, $"The host is not as it was before the test:\n{difference}");
    }

    /// <summary>A process that ended does not count: the broker is a child of the tests as well, and has helpers that come and go.</summary>
    private string Difference(Func<string, bool> foreign) =>
        string.Join('\n', _before.DifferenceTo(HostResources.Take(Mark)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !line.StartsWith("- process ", StringComparison.Ordinal) && !foreign(line)));

    private IEnumerable<string> Configuration(RabbitMqFixture broker, IEnumerable<string> settings) =>
    [
        "[DEFAULT]", $"host = {Mark}", "my_ip = 127.0.0.1", $"state_path = {StateFolder}",
            $"transport_url = {broker.TransportUrl.Replace("$", "$$", StringComparison.Ordinal)}",
        $"log_file = {LogFile}", "shutdown_timeout = 5", "vif_plugging_timeout = 600", "graceful_shutdown_timeout = 30",
        "rpc_response_timeout = 60", "debug = true", "reserved_host_memory_mb = 0",
        "instance_delete_interval = -1", // or it would clear away what a test waits for in vain
        "[lxd]", $"runtime_directory = {Path.Combine(Folder, "run")}", $"cgroup_parent = {Mark}", $"hypervisor_hostname = {Node}",
        $"lxcfs_path = {Path.Combine(Folder, "lxcfs")}", "metrics = false",
        .. Plane.Cloud.Configuration().GroupBy(c => c.Section).SelectMany(g => g.Select(c => $"{c.Option} = {c.Value}").Prepend($"[{g.Key}]")),
        "[DEFAULT]", .. settings,
    ];

    /// <summary>What a test left running goes by the driver's own means.</summary>
    private async Task RemoveContainersAsync()
    {
        if (SupervisorPid is null)
        {
            return;
        }

        await using var service = ComputeService.Build([ConfigurationFile], _load);
        var driver = service.Services.GetRequiredService<IContainerDriver>();
        await driver.InitializeAsync(CancellationToken.None);
        foreach (var container in await driver.ListAsync(CancellationToken.None))
        {
            await driver.DeleteAsync(container.Id, CancellationToken.None);
        }
    }

    private async Task EndSupervisorAsync()
    {
        if (SupervisorPid is { } pid)
        {
            await Command.RunAsync("kill", "-TERM", $"{pid}");
            await ProcessEnd.WaitAsync(pid);
        }
    }

    private static IEnumerable<int> ProcessIds() => Directory.EnumerateDirectories("/proc").Select(Path.GetFileName)
        .Where(n => char.IsAsciiDigit(n![0])).Select(n => int.Parse(n!, CultureInfo.InvariantCulture));

    /// <summary>A process may end while one looks at it.</summary>
    /// <param name="status">Of /proc/PID/status (proc(5)).</param>
    private static bool IsInit(string status)
    {
        var lines = status.Split('\n');
        return lines.Contains("Name:\tinit") && lines.Any(l => l.StartsWith("NSpid:", StringComparison.Ordinal) && l.EndsWith("\t1", StringComparison.Ordinal))
            && !lines.Any(l => l.StartsWith("State:\tZ", StringComparison.Ordinal) || l.StartsWith("State:\tX", StringComparison.Ordinal));
    }

    private static string ReadOrEmpty(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
