using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Notifications;
using NovaLxd.Objects;

namespace NovaLxd.Tests.Fakes;

internal sealed class RecordingNotifier : INotifier
{
    internal List<string> Events { get; } = [];

    public Task InstanceAsync(RequestContext context, Instance instance, InstanceEvent what, CancellationToken cancellationToken)
    {
        Events.Add($"{what.Action}.{what.Phase}");
        return Task.CompletedTask;
    }

    public Task ExceptionAsync(RequestContext context, string function, Exception failure, JObject args, CancellationToken cancellationToken)
    {
        Events.Add($"exception {function}");
        return Task.CompletedTask;
    }
}
