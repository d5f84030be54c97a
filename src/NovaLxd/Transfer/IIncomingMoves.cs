using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;

namespace NovaLxd.Transfer;

/// <summary>What the control plane says of an instance that another host wants to hand over.</summary>
internal interface IIncomingMoves
{
    /// <summary>The host that a migration in progress brings the instance from, to this one; null: there is no such migration.</summary>
    Task<string?> FindSourceAsync(Guid instance, CancellationToken cancellationToken);
}

/// <inheritdoc/>
internal sealed class IncomingMoves(ConductorClient conductor, ServiceHost host) : IIncomingMoves
{
    /// <summary>While the source has not said "post-migrating", the data are on their way.</summary>
    private const string InProgress = "migrating";

    public async Task<string?> FindSourceAsync(Guid instance, CancellationToken cancellationToken)
    {
        var filters = new JObject { ["instance_uuid"] = instance.ToString(), ["status"] = InProgress };
        var migrations = await conductor.GetMigrationsByFiltersAsync(RequestContext.CreateAdmin(), filters, cancellationToken);
        return migrations
            .Where(m => m.DestCompute == host.Name && m.SourceCompute != host.Name && m.Status == InProgress && m.MigrationType is "migration" or "resize")
            .MaxBy(m => m.Id)?.SourceCompute;
    }
}
