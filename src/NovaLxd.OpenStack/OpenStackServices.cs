using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using NovaLxd.OpenStack.Authentication;
using NovaLxd.OpenStack.Cinder;
using NovaLxd.OpenStack.Glance;
using NovaLxd.OpenStack.Http;
using NovaLxd.OpenStack.Neutron;
using NovaLxd.OpenStack.Placement;
using NovaLxd.OpenStack.VendorData;

namespace NovaLxd.OpenStack;

/// <summary>The parts list of this library.</summary>
public static class OpenStackServices
{
    /// <summary>Registers the clients: <see cref="PlacementClient"/>, <see cref="PlacementAllocations"/>, <see cref="NeutronClient"/>, <see cref="GlanceClient"/> and the Refit interfaces below them.</summary>
    public static IServiceCollection AddOpenStack(this IServiceCollection services, Func<IServiceProvider, OpenStackOptions> options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddLogging();
        services.AddMetrics();
        services.AddSingleton<OpenStackOptions>(p => options(p));
        services.AddSingleton<OpenStackMetrics>();
        services.AddSingleton<KeystoneSessions>();

        services.AddKeystone("placement", o => o.Placement);
        services.AddKeystone("neutron", o => o.Neutron);
        services.AddKeystone("glance", o => o.Glance);
        services.AddKeystone("cinder", o => o.Cinder);
        services.AddKeystone("service_user", o => o.ServiceUser);
        services.AddKeystone("vendordata_dynamic_auth", o => o.VendorData);

        services.AddService<IPlacementApi>("placement", o => new(o.Placement, AlwaysService: true, SendsServiceToken: false));
        services.AddSingleton<PlacementClient>();
        services.AddSingleton<PlacementAllocations>();

        services.AddService<INeutronApi>("neutron", o => new(o.Neutron, AlwaysService: false, SendsServiceToken: true));
        services.AddSingleton<NeutronClient>();

        services.AddService<IGlanceApi>(
            "glance",
            o => new(o.Glance, AlwaysService: false, SendsServiceToken: true, Fallback: o.ServiceUser),
            o => o.GlanceApiServers.Count > 0 ? new RotatingEndpoints(o.GlanceApiServers) : null);
        services.AddSingleton<GlanceClient>();

        services.AddService<ICinderApi>(
            "cinder",
            o => new(o.Cinder, AlwaysService: false, SendsServiceToken: true, Fallback: o.ServiceUser),
            o => o.CinderEndpointTemplate is { } template ? new FixedEndpoint(template) : null);
        services.AddVendorData();
        return services;
    }

    /// <summary>Not repeated, and not found in a catalog: the operator's own services have addresses of their own.</summary>
    private static void AddVendorData(this IServiceCollection services)
    {
        services.AddHttpClient(VendorDataClient.ClientName, client => (client.Timeout, client.MaxResponseContentBufferSize) = (Timeout.InfiniteTimeSpan, 4 << 20))
            .RemoveAllLoggers()
            .ConfigurePrimaryHttpMessageHandler(p =>
            {
                var options = p.GetRequiredService<OpenStackOptions>();
                var handler = ConnectionSecurity.CreateHandler("api", new AdapterOptions { ServiceType = "", CaFile = options.VendorDataCaFile });
                handler.ConnectTimeout = options.VendorDataConnectTimeout;
                return handler;
            })
            .SetHandlerLifetime(Timeout.InfiniteTimeSpan)
            .AddHttpMessageHandler(() => new UnreachableHandler(VendorDataClient.ClientName))
            .AddHttpMessageHandler(p => ActivatorUtilities.CreateInstance<VendorDataToken>(p));
        services.AddSingleton<VendorDataClient>();
    }
}
