namespace NovaLxd.Messaging;

/// <summary>Where a request goes.</summary>
/// <param name="Topic">E.g. <c>conductor</c>.</param>
/// <param name="Server">One host of the topic; null: any.</param>
/// <param name="Namespace">E.g. <c>baseapi</c>; null: the main endpoint.</param>
/// <param name="Version">Version the server must support; null: none is sent and the server assumes <c>1.0</c>.</param>
public sealed record RpcTarget(string Topic, string? Server = null, string? Namespace = null, string? Version = null)
{
    internal string RoutingKey => Server is null ? Topic : $"{Topic}.{Server}";
}
