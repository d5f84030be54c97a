using Newtonsoft.Json.Linq;
using NovaLxd.Conductor;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Notifications;

/// <summary>What <see cref="Notifier"/> has to know of the configuration.</summary>
/// <param name="BlockDevices"><c>[notifications] bdms_in_notifications</c>.</param>
/// <param name="InstanceNameTemplate"><c>[DEFAULT] instance_name_template</c>.</param>
internal sealed record NotifierOptions(bool BlockDevices = false, string InstanceNameTemplate = "instance-%08x");

/// <summary>
/// Builds the notifications that the bus wants. What the payload needs of the instance and the operation did not load is loaded here, and only when
/// somebody listens.
/// </summary>
internal sealed partial class Notifier(
    INotificationBus bus, ConductorClient conductor, ServiceHost host, NotifierOptions options, ILogger<Notifier> logger) : INotifier
{
    private static readonly string[] Attributes = ["flavor", "metadata", "system_metadata", "info_cache"];
    private static readonly string[] CreateAttributes = [.. Attributes, "keypairs", "tags"];
    private static readonly string[] RebuildAttributes = [.. Attributes, "trusted_certs"];

    private string LegacyPublisher => $"compute.{host.Name}";

    private string VersionedPublisher => $"nova-compute:{host.Name}";

    public async Task InstanceAsync(RequestContext context, Instance instance, InstanceEvent what, CancellationToken cancellationToken)
    {
        var sendsUnversioned = bus.SendsUnversioned && !what.IsVersionedOnly;
        var sendsVersioned = bus.SendsVersioned && !what.IsUnversionedOnly;
        if (!sendsUnversioned && !sendsVersioned)
        {
            return;
        }

        try
        {
            // On a copy: the operation's own object is not to grow because somebody listens.
            var complete = NovaObject.Clone(instance);
            await conductor.LoadAttributesAsync(context, complete, AttributesOf(what), cancellationToken);
            var priority = what.Phase == "error" || what.Fault is not null ? "ERROR" : "INFO";
            if (sendsUnversioned)
            {
                await bus.SendUnversionedAsync(context, LegacyPublisher, $"compute.instance.{what.Suffix}", priority,
                    UnversionedPayload.Instance(context, complete, what), cancellationToken);
            }

            if (sendsVersioned)
            {
                await bus.SendVersionedAsync(context, VersionedPublisher, $"instance.{what.Action}{(what.Phase is null ? "" : "." + what.Phase)}", priority,
                    Payloads().Instance(context, complete, what, await BlockDevicesAsync(context, complete, what, cancellationToken)), cancellationToken);
            }
        }
#pragma warning disable CA1031 // A listener that cannot be told must not keep the operation from going on.
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            LogNotSent($"instance.{what.Action}.{what.Phase}", e);
        }
    }

    public async Task ExceptionAsync(RequestContext context, string function, Exception failure, JObject args, CancellationToken cancellationToken)
    {
        try
        {
            if (bus.SendsUnversioned)
            {
                await bus.SendUnversionedAsync(context, LegacyPublisher, function, "ERROR", UnversionedPayload.Exception(failure, args), cancellationToken);
            }

            if (bus.SendsVersioned)
            {
                await bus.SendVersionedAsync(context, VersionedPublisher, "compute.exception", "ERROR",
                    VersionedPayload.Exception(FaultTranslation.ClassName(failure), function, failure), cancellationToken);
            }
        }
#pragma warning disable CA1031 // As above.
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            LogNotSent("compute.exception", e);
        }
    }

    private static string[] AttributesOf(InstanceEvent what) => what.IsCreate ? CreateAttributes : what.IsRebuild ? RebuildAttributes : Attributes;

    private VersionedPayload Payloads() => new(options.InstanceNameTemplate, conductor.Manifest.Versions.ContainsKey("ShareMapping"));

    private async Task<IReadOnlyList<BlockDeviceMapping>?> BlockDevicesAsync(
        RequestContext context, Instance instance, InstanceEvent what, CancellationToken cancellationToken) =>
        what.BlockDevices ?? (options.BlockDevices ? await conductor.GetBlockDevicesAsync(context, instance.Uuid, cancellationToken) : null);

    [LoggerMessage(Level = LogLevel.Error, Message = "Notification {EventType} was not sent")]
    private partial void LogNotSent(string eventType, Exception e);
}
