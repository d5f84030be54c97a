namespace NovaLxd.OpenStack.Neutron.Models;

// Neutron wraps everything in an object named after the resource; lists add NAME_links when there is another page.

public sealed record PageLink(string Rel, string Href);

public sealed record PortEnvelope(Port Port);

public sealed record PortCreateEnvelope(PortCreate Port);

public sealed record PortUpdateEnvelope(PortUpdate Port);

public sealed record PortPage(IReadOnlyList<Port> Ports, IReadOnlyList<PageLink>? PortsLinks = null);

public sealed record BindingEnvelope(PortBinding Binding);

public sealed record BindingCreateEnvelope(PortBindingCreate Binding);

public sealed record BindingPage(IReadOnlyList<PortBinding> Bindings);

public sealed record NetworkEnvelope(Network Network);

public sealed record NetworkPage(IReadOnlyList<Network> Networks, IReadOnlyList<PageLink>? NetworksLinks = null);

public sealed record SubnetPage(IReadOnlyList<Subnet> Subnets, IReadOnlyList<PageLink>? SubnetsLinks = null);

public sealed record SecurityGroupPage(IReadOnlyList<SecurityGroup> SecurityGroups, IReadOnlyList<PageLink>? SecurityGroupsLinks = null);

public sealed record FloatingIpEnvelope(FloatingIp Floatingip);

public sealed record FloatingIpUpdateEnvelope(FloatingIpUpdate Floatingip);

public sealed record FloatingIpPage(IReadOnlyList<FloatingIp> Floatingips, IReadOnlyList<PageLink>? FloatingipsLinks = null);

public sealed record ExtensionPage(IReadOnlyList<Extension> Extensions);

public sealed record TopologyEnvelope(AutoAllocatedTopology AutoAllocatedTopology);
