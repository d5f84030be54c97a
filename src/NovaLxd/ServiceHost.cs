namespace NovaLxd;

/// <summary>Who we are to the control plane.</summary>
/// <param name="Name"><c>[DEFAULT] host</c>: the name in topics, in the service list and in Instance.host.</param>
internal sealed record ServiceHost(string Name);
