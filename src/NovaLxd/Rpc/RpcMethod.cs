using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;

namespace NovaLxd.Rpc;

/// <summary>How a method is called: without an answer, with one, or either way by different callers.</summary>
internal enum Kind
{
    Cast,
    Call,
    Either,
}

/// <summary>What is done around an operation (the marks of Nova's decorators, nova/compute/manager.py), outermost first.</summary>
[Flags]
internal enum Wrap
{
    None = 0,

    /// <summary>wrap_exception: a failure is notified.</summary>
    X = 1,

    /// <summary>reverts_task_state: after a failure the instance's task_state is null.</summary>
    T = 2,

    /// <summary>wrap_instance_event: beginning and end are an event of the instance's action.</summary>
    E = 4,

    /// <summary>errors_out_migration: after a failure the migration's status is error.</summary>
    M = 8,

    /// <summary>wrap_instance_fault: a failure becomes the instance's fault.</summary>
    F = 16,
}

/// <summary>What of an operation runs while its instance is locked.</summary>
internal enum InstanceLock
{
    None,

    /// <summary>The operation itself; the event begins while it waits.</summary>
    Body,

    /// <summary>All that is done around it too (a build).</summary>
    Whole,
}

/// <summary>The arguments of one request: the operation bound to them, and what the runner has to know of them.</summary>
internal sealed record Invocation(Func<CancellationToken, Task<JToken?>> RunAsync, Instance? Instance, Migration? Migration);

/// <summary>A row of <see cref="ComputeRpc"/>.</summary>
internal sealed record RpcMethod
{
    internal required string Name { get; init; }

    internal required Kind Kind { get; init; }

    internal required Wrap Wraps { get; init; }

    internal InstanceLock Lock { get; init; }

    /// <summary>Name of the function in Nova that carries the marks, where it is not the method itself: events and notifications are named for it.</summary>
    internal string? Function { get; init; }

    /// <summary>The type that answers; null where <see cref="Unsupported"/> says why there is none.</summary>
    internal Type? Operation { get; init; }

    /// <summary>Why nothing answers, as a sentence for the user; null where something does.</summary>
    internal string? Unsupported { get; init; }

    /// <summary>Reads the arguments and binds the operation to them.</summary>
    internal required Func<IServiceProvider, RequestContext, JObject, Invocation> Bind { get; init; }
}
