using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Rpc;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Fakes;

/// <summary>A control plane in memory, an instance on this host, and the runner with all it needs.</summary>
internal sealed class TestPlane
{
    internal const string HostName = "cmp1";

    internal TestPlane(FakeRelease? release = null, string recording = "zed", FakeDriver? driver = null)
    {
        Conductor = new FakeConductor(release ?? FakeRelease.Zed, Time);
        Transport = new FakeTransport(Conductor);
        Client = new ConductorClient(Transport);
        Instance = Recorded.Object<Instance>(recording, "info_cache", "system_metadata", "flavor");
        Instance.Set("host", HostName);
        Instance.TaskState = TaskState.Pausing;
        Instance.VmState = VmState.Active;
        Instance.ResetChanges();
        Conductor.AddInstance(Instance.Primitive);
        Context = RequestContext.From(new JObject { ["request_id"] = "req-1", ["project_id"] = "p", ["user_id"] = "u", ["roles"] = new JArray("member") });
        Action = Conductor.AddAction(Instance.Uuid, "pause", "req-1");
        Locks = new InstanceLocks();
        Notifier = new RecordingNotifier();
        Driver = driver ?? new FakeDriver();
        Guest = new FakeGuest();
        Services = new ServiceCollection()
            .AddSingleton<TimeProvider>(Time)
            .AddSingleton(Client)
            .AddSingleton<INotifier>(Notifier)
            .AddSingleton<IContainerDriver>(Driver)
            .AddSingleton<IGuestAccess>(Guest)
            .AddSingleton<GuestPassword>()
            .AddLogging()
            .AddSingleton<PowerStates>();
        foreach (var operation in Rpc.OperationTypes)
        {
            Services.AddSingleton(operation);
        }
    }

    internal FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 11, 24, 3, 0, 0, TimeSpan.Zero));

    internal FakeConductor Conductor { get; }

    internal FakeTransport Transport { get; }

    internal ConductorClient Client { get; }

    internal Instance Instance { get; }

    internal JObject Row => Conductor.Instances[Instance.Uuid];

    internal RequestContext Context { get; set; }

    internal FakeAction Action { get; }

    internal InstanceLocks Locks { get; }

    internal RecordingNotifier Notifier { get; }

    internal FakeDriver Driver { get; }

    internal FakeGuest Guest { get; }

    internal IServiceCollection Services { get; }

    internal ComputeRpc Rpc { get; } = new(strict: true);

    /// <param name="services">Those that live longer than one request; null: new ones.</param>
    internal OperationRunner Runner(IServiceProvider? services = null) => new(
        Client, new IncomingObjects(Client), new BuildSlots(new InstanceOptions()), Locks, Notifier, new ServiceHost(HostName), services ?? Services.BuildServiceProvider(), NullLogger<OperationRunner>.Instance);

    /// <summary>Runs a method of the table with the instance as argument, and whatever else is given.</summary>
    internal Task<JToken?> RunAsync(string method, JObject? args = null) => RunAsync(Rpc.Methods[method], args);

    internal Task<JToken?> RunAsync(RpcMethod method, JObject? args = null, CancellationToken cancellationToken = default)
    {
        args = args is null ? [] : (JObject)args.DeepClone();
        args["instance"] ??= Instance.ToPrimitive();
        return Runner().RunAsync(method, Context, args, cancellationToken);
    }
}
