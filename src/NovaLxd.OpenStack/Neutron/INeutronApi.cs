using NovaLxd.OpenStack.Http;
using NovaLxd.OpenStack.Neutron.Models;
using Refit;

namespace NovaLxd.OpenStack.Neutron;

/// <summary>The Networking API v2.0 calls of a compute service (nova/network/neutron.py). Use <see cref="NeutronClient"/>.</summary>
[Headers("Accept: application/json")]
public interface INeutronApi
{
    [Get("/v2.0/extensions")]
    Task<ExtensionPage> ListExtensionsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, CancellationToken cancellationToken);

    [Get("/v2.0/ports")]
    Task<PortPage> ListPortsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Query] PortQuery query, CancellationToken cancellationToken);

    [Get("/v2.0/ports/{id}")]
    Task<PortEnvelope> ShowPortAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, [Query(CollectionFormat.Multi)] string[]? fields, CancellationToken cancellationToken);

    [Post("/v2.0/ports")]
    Task<PortEnvelope> CreatePortAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Body] PortCreateEnvelope body, CancellationToken cancellationToken);

    [Put("/v2.0/ports/{id}")]
    Task<PortEnvelope> UpdatePortAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, [Body] PortUpdateEnvelope body, CancellationToken cancellationToken);

    [Delete("/v2.0/ports/{id}")]
    Task DeletePortAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, CancellationToken cancellationToken);

    [Get("/v2.0/ports/{id}/bindings")]
    Task<BindingPage> ListBindingsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, CancellationToken cancellationToken);

    [Get("/v2.0/ports/{id}/bindings/{host}")]
    Task<BindingEnvelope> ShowBindingAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, string host, CancellationToken cancellationToken);

    [Post("/v2.0/ports/{id}/bindings")]
    Task<BindingEnvelope> CreateBindingAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, [Body] BindingCreateEnvelope body, CancellationToken cancellationToken);

    [Put("/v2.0/ports/{id}/bindings/{host}/activate")]
    Task<BindingEnvelope> ActivateBindingAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, string host, CancellationToken cancellationToken);

    [Delete("/v2.0/ports/{id}/bindings/{host}")]
    Task DeleteBindingAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, string host, CancellationToken cancellationToken);

    [Get("/v2.0/networks")]
    Task<NetworkPage> ListNetworksAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Query] NetworkQuery query, CancellationToken cancellationToken);

    [Get("/v2.0/networks/{id}")]
    Task<NetworkEnvelope> ShowNetworkAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, [Query(CollectionFormat.Multi)] string[]? fields, CancellationToken cancellationToken);

    [Get("/v2.0/auto-allocated-topology/{project}")]
    Task<TopologyEnvelope> GetAutoAllocatedTopologyAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string project, CancellationToken cancellationToken);

    [Get("/v2.0/subnets")]
    Task<SubnetPage> ListSubnetsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Query] SubnetQuery query, CancellationToken cancellationToken);

    [Get("/v2.0/security-groups")]
    Task<SecurityGroupPage> ListSecurityGroupsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Query] SecurityGroupQuery query, CancellationToken cancellationToken);

    [Get("/v2.0/floatingips")]
    Task<FloatingIpPage> ListFloatingIpsAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, [Query] FloatingIpQuery query, CancellationToken cancellationToken);

    [Put("/v2.0/floatingips/{id}")]
    Task<FloatingIpEnvelope> UpdateFloatingIpAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string id, [Body] FloatingIpUpdateEnvelope body, CancellationToken cancellationToken);
}
