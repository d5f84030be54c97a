using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Operations;
using NovaLxd.Outcomes;

namespace NovaLxd.Rpc;

/// <summary>How the rows of the table are made.</summary>
internal sealed partial class ComputeRpc
{
    /// <summary>Newest version of the interface that is answered: 2026.1's. Callers of every release from Zed on send something between 6.0 and this.</summary>
    internal const string Version = "6.5";

    private readonly bool _strict;
    private readonly Dictionary<string, RpcMethod> _methods = [];

    /// <param name="strict">Refuse arguments that a request does not name (for tests; newer callers send more).</param>
    internal ComputeRpc(bool strict = false)
    {
        _strict = strict;
        AddBuild();
        AddPower();
        AddMove();
        AddLiveMigration();
        AddVolumes();
        AddNetwork();
        AddImages();
        AddGuest();
        AddHost();
    }

    internal IReadOnlyDictionary<string, RpcMethod> Methods => _methods;

    /// <summary>The types that answer, to be registered with the services.</summary>
    internal IEnumerable<Type> OperationTypes => _methods.Values.Select(m => m.Operation).OfType<Type>().Distinct();

    /// <summary>Puts the methods into a server's table, beside Nova's ping.</summary>
    internal void AddTo(RpcMethodTable table, OperationRunner runner)
    {
        var endpoint = table.AddEndpoint(null, Version);
        foreach (var method in _methods.Values)
        {
            endpoint.Add(method.Name, (request, token) => runner.RunAsync(method, request.Context, request.Arguments, token));
        }

        table.AddBaseApi("compute");
    }

    private void Add<TOperation, TRequest>(
        string name, Kind kind, Wrap wraps, InstanceLock instanceLock = InstanceLock.None, string? function = null)
        where TOperation : class, IOperation<TRequest, None>
        => Add<TOperation, TRequest, None>(name, kind, wraps, instanceLock, function);

    private void Add<TOperation, TRequest, TResult>(
        string name, Kind kind, Wrap wraps, InstanceLock instanceLock = InstanceLock.None, string? function = null)
        where TOperation : class, IOperation<TRequest, TResult>
        => _methods.Add(name, new RpcMethod
        {
            Name = name,
            Kind = kind,
            Wraps = wraps,
            Lock = instanceLock,
            Function = function,
            Operation = typeof(TOperation),
            Bind = (services, context, args) =>
            {
                var request = RequestReader.Read<TRequest>(args, _strict);
                return new Invocation(
                    async token => ResultJson.Write(await services.GetRequiredService<TOperation>().RunAsync(context, request, token)),
                    (request as IInstanceRequest)?.Instance,
                    (request as IMigrationRequest)?.Migration);
            },
        });

    /// <param name="name">Of the method.</param>
    /// <param name="kind">How it is called.</param>
    /// <param name="wraps">Done around it.</param>
    /// <param name="what">What it would do, as the subject of "... is not supported".</param>
    /// <param name="failure">The failure that makes Nova's API say so.</param>
    /// <param name="instanceLock">What runs under the lock.</param>
    /// <param name="function">Name of the function in Nova, where it is another.</param>
    /// <param name="takeBack">Takes back what was made elsewhere; true: the request went to another host and has not failed.</param>
    private void Unsupported(
        string name, Kind kind, Wrap wraps, string what, Func<string, OutcomeException> failure, InstanceLock instanceLock = InstanceLock.None,
        string? function = null, Func<IServiceProvider, RefusedRequest, Task<bool>>? takeBack = null)
    {
        var message = $"{what} is not supported by this compute service.";
        _methods.Add(name, new RpcMethod
        {
            Name = name,
            Kind = kind,
            Wraps = wraps,
            Lock = instanceLock,
            Function = function,
            Unsupported = message,
            Bind = (services, context, args) =>
            {
                var target = RequestReader.Read<UnsupportedRequest>(args);
                return new Invocation(
                    async _ =>
                    {
                        var refused = new RefusedRequest(context, target.Instance, target.Migration, args, failure(message));
                        return takeBack is not null && await takeBack(services, refused) ? null : throw refused.Failure;
                    },
                    target.Instance,
                    target.Migration);
            },
        });
    }

    private sealed record UnsupportedRequest(Instance? Instance = null, Migration? Migration = null);
}
