namespace NovaLxd.OpenStack.Authentication;

/// <summary>Who we are towards one service: whose token goes out, and whether the service's own vouches for it.</summary>
/// <param name="Section">The service called.</param>
/// <param name="AlwaysService">Placement: the user's token is never used there.</param>
/// <param name="SendsServiceToken">Neutron, Glance, Cinder: X-Service-Token accompanies the token when [service_user] says so.</param>
/// <param name="Fallback">Whose credentials stand in for the section's when it has none.</param>
internal sealed record ServiceIdentity(ServiceSection Section, bool AlwaysService, bool SendsServiceToken, ServiceSection? Fallback = null)
{
    public ServiceSection Login => Section.Credentials is null && Fallback is { Credentials: not null } ? Fallback : Section;

    public bool UsesUserToken(OpenStackCaller caller) => !AlwaysService && !caller.AsService && !string.IsNullOrEmpty(caller.UserToken);
}
