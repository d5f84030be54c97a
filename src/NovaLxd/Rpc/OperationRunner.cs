using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Instances;
using NovaLxd.Logging;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Rpc;

/// <summary>
/// What surrounds each operation, in one order, outermost first: log scope; [slot and lock of a build]; X notification of a failure; T reset of the task_state;
/// E event of the instance's action; M status of the migration; F fault of the instance; [lock]; the operation.
/// <para>
/// After a failure the records are written from the inside out, each with a time limit of its own and not the caller's token, and each whether or not the
/// others succeed: what the user has to see must not be lost because the service is stopping.
/// </para>
/// </summary>
internal sealed partial class OperationRunner(
    ConductorClient conductor, IncomingObjects incoming, BuildSlots slots, InstanceLocks locks, INotifier notifier, ServiceHost host, IServiceProvider services,
    ILogger<OperationRunner> logger)
{
    private static readonly TimeSpan RecordLimit = TimeSpan.FromMinutes(2);

    /// <param name="method">The row.</param>
    /// <param name="context">Who asks.</param>
    /// <param name="args">The arguments as they came.</param>
    /// <param name="cancellationToken">The service stops.</param>
    /// <returns>The result as it goes into the reply.</returns>
    /// <exception cref="RpcFailureException">The operation's failure as the caller is to see it.</exception>
    internal async Task<JToken?> RunAsync(
        RpcMethod method, RequestContext context, JObject args, CancellationToken cancellationToken)
    {
        using var requestScope = logger.BeginScope(RequestScope(context));
        try
        {
            args = await incoming.UnderstandAsync(context, args, cancellationToken);
            var invocation = method.Bind(services, context, args);
            using var instanceScope = logger.BeginScope(InstanceScope(invocation.Instance));
            using var slot = method.Lock == InstanceLock.Whole ? await slots.EnterAsync(cancellationToken) : null;
            using var held = method.Lock == InstanceLock.Whole ? await LockAsync(invocation, cancellationToken) : null;
            return await NotifiedAsync(method, context, args, invocation, cancellationToken);
        }
#pragma warning disable CA1031 // Whatever it was: this is the edge, from here on it is a message.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogEnd(method, e);
            throw new RpcFailureException(FaultTranslation.ToRemote(e), e);
        }
    }

    // X
    private async Task<JToken?> NotifiedAsync(
        RpcMethod method, RequestContext context, JObject args, Invocation invocation, CancellationToken cancellationToken)
    {
        try
        {
            return await TaskStateResetAsync(method, context, invocation, cancellationToken);
        }
        catch (Exception e) when (method.Wraps.HasFlag(Wrap.X))
        {
            await RecordAsync("notification", token => notifier.ExceptionAsync(
                context, method.Function ?? method.Name, e, args, token));
            throw;
        }
    }

    // T: but for an operation that the end of the service cut short, whose task_state leads the next start to what is half done.
    private async Task<JToken?> TaskStateResetAsync(
        RpcMethod method, RequestContext context, Invocation invocation, CancellationToken cancellationToken)
    {
        try
        {
            return await EventedAsync(method, context, invocation, cancellationToken);
        }
        catch (Exception e) when (method.Wraps.HasFlag(Wrap.T) && e is not (UnexpectedTaskStateException or HandedBackException) && invocation.Instance is { } instance
            && !cancellationToken.IsCancellationRequested)
        {
            await RecordAsync("task_state", async token =>
            {
                instance.TaskState = null;
                await conductor.SaveAsync(context, instance, token);
            });
            throw;
        }
    }

    // E
    private async Task<JToken?> EventedAsync(RpcMethod method, RequestContext context, Invocation invocation, CancellationToken cancellationToken)
    {
        if (!method.Wraps.HasFlag(Wrap.E) || invocation.Instance is not { } instance)
        {
            return await MigrationErroredAsync(method, context, invocation, cancellationToken);
        }

        var name = $"compute_{method.Function ?? method.Name}";
        await conductor.EventStartAsync(context, instance.Uuid, name, host.Name, cancellationToken);
        try
        {
            var result = await MigrationErroredAsync(method, context, invocation, cancellationToken);
            await RecordAsync("event", token => conductor.EventFinishAsync(context, instance.Uuid, name, null, null, token));
            return result;
        }
        catch (Exception e)
        {
            await RecordAsync("event", token => conductor.EventFinishAsync(
                context, instance.Uuid, name, FaultText.Message(e), FaultText.Details(e), token));
            throw;
        }
    }

    // M: as with T, what the end of the service cut short is for the next start to go on with.
    private async Task<JToken?> MigrationErroredAsync(
        RpcMethod method, RequestContext context, Invocation invocation, CancellationToken cancellationToken)
    {
        try
        {
            return await FaultedAsync(method, context, invocation, cancellationToken);
        }
        catch (Exception) when (method.Wraps.HasFlag(Wrap.M) && invocation.Migration is { } migration && !cancellationToken.IsCancellationRequested)
        {
            await RecordAsync("migration", async token =>
            {
                migration.Status = "error";
                await conductor.SaveAsync(context, migration, token);
            });
            throw;
        }
    }

    // F
    private async Task<JToken?> FaultedAsync(RpcMethod method, RequestContext context, Invocation invocation, CancellationToken cancellationToken)
    {
        try
        {
            return await LockedAsync(method, invocation, cancellationToken);
        }
        catch (Exception e) when (method.Wraps.HasFlag(Wrap.F) && e is not InstanceNotFoundException && invocation.Instance is { } instance)
        {
            await RecordAsync("fault", token => conductor.CreateAsync(context, InstanceFaults.From(e, instance.Uuid, host.Name), token));
            throw;
        }
    }

    private async Task<JToken?> LockedAsync(RpcMethod method, Invocation invocation, CancellationToken cancellationToken)
    {
        using var held = method.Lock == InstanceLock.Body ? await LockAsync(invocation, cancellationToken) : null;
        return await invocation.RunAsync(cancellationToken);
    }

    private async Task<IDisposable?> LockAsync(Invocation invocation, CancellationToken cancellationToken) =>
        invocation.Instance is { } instance ? await locks.AcquireAsync(instance.Uuid, cancellationToken) : null;

    /// <summary>Writes one record; one that cannot be written is logged, and the failure (or success) that is recorded goes on its way.</summary>
    private async Task RecordAsync(string what, Func<CancellationToken, Task> write)
    {
        using var limit = new CancellationTokenSource(RecordLimit);
        try
        {
            await write(limit.Token);
        }
        catch (InstanceNotFoundException)
        {
            LogGone(what);
        }
#pragma warning disable CA1031 // See the summary.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogNotRecorded(what, e);
        }
    }

    private static LogSubject RequestScope(RequestContext context) =>
        new(context.RequestId, context.UserId, context.ProjectId, GlobalRequestId: context.GlobalRequestId);

    private static LogSubject InstanceScope(Instance? instance) =>
        new(InstanceUuid: instance is null ? null : Guid.Parse(instance.Uuid));

    private void LogEnd(RpcMethod method, Exception e)
    {
        if (e is OutcomeException or OperationCanceledException)
        {
            LogOutcome(method.Name, FaultText.Message(e));
        }
        else
        {
            LogFailure(method.Name, e);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Method} ended: {Reason}")]
    private partial void LogOutcome(string method, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed")]
    private partial void LogFailure(string method, Exception e);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The instance is gone; its {What} is not recorded")]
    private partial void LogGone(string what);

    [LoggerMessage(Level = LogLevel.Error, Message = "Could not record the {What}")]
    private partial void LogNotRecorded(string what, Exception e);
}
