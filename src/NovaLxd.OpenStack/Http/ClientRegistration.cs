using Microsoft.Extensions.DependencyInjection;
using NovaLxd.OpenStack.Authentication;
using Refit;

namespace NovaLxd.OpenStack.Http;

/// <summary>
/// How a client is put together. A request passes, from the outside in: <see cref="UnreachableHandler"/>, <see cref="AuthenticationHandler"/>,
/// repetitions and time limits, <see cref="EndpointHandler"/>, <see cref="MeasuringHandler"/>, sockets.
/// </summary>
internal static class ClientRegistration
{
    /// <summary>Refit wants a base address; <see cref="EndpointHandler"/> replaces it.</summary>
    private static readonly Uri Nowhere = new("http://catalog.invalid");

    public static void AddKeystone(this IServiceCollection services, string name, Func<OpenStackOptions, ServiceSection> section)
    {
        services.AddHttpClient(KeystoneSessions.ClientName(name), NoClientTimeout)
            .RemoveAllLoggers()
            .ConfigurePrimaryHttpMessageHandler(p => ConnectionSecurity.CreateHandler(name, section(p.GetRequiredService<OpenStackOptions>()).Adapter))
            .SetHandlerLifetime(Timeout.InfiniteTimeSpan)
            .AddHttpMessageHandler(() => new UnreachableHandler("keystone"))
            .AddOpenStackResilience("keystone", p => section(p.GetRequiredService<OpenStackOptions>()).Adapter, postIsSafe: true) // A second token hurts nobody.
            .AddHttpMessageHandler(p => ActivatorUtilities.CreateInstance<MeasuringHandler>(p, "keystone"));
    }

    public static void AddService<TApi>(
        this IServiceCollection services,
        string name,
        Func<OpenStackOptions, ServiceIdentity> identity,
        Func<OpenStackOptions, IEndpointSource?>? endpoints = null,
        string mediaType = "application/json")
        where TApi : class
    {
        services.AddRefitGeneratedClient<TApi>(_ => ServiceErrors.Settings(name, mediaType), name)
            .RemoveAllLoggers() // Four lines for each request; MeasuringHandler writes one.
            .ConfigureHttpClient(client =>
            {
                client.BaseAddress = Nowhere;
                NoClientTimeout(client);
            })
            .ConfigurePrimaryHttpMessageHandler(p => ConnectionSecurity.CreateHandler(name, Identity(p).Section.Adapter))
            .SetHandlerLifetime(Timeout.InfiniteTimeSpan)
            .AddHttpMessageHandler(() => new UnreachableHandler(name))
            .AddHttpMessageHandler(p => new AuthenticationHandler(Identity(p), Options(p), p.GetRequiredService<KeystoneSessions>()))
            .AddOpenStackResilience(name, p => Identity(p).Section.Adapter)
            .AddHttpMessageHandler(p => new EndpointHandler(endpoints?.Invoke(Options(p)) ?? Catalog(p)))
            .AddHttpMessageHandler(p => ActivatorUtilities.CreateInstance<MeasuringHandler>(p, name));

        OpenStackOptions Options(IServiceProvider provider) => provider.GetRequiredService<OpenStackOptions>();
        ServiceIdentity Identity(IServiceProvider provider) => identity(Options(provider));
        CatalogEndpoints Catalog(IServiceProvider provider)
        {
            var options = Options(provider);
            var who = identity(options);
            ServiceSection[] catalogs = who.AlwaysService ? [who.Section] : [who.Section, options.ServiceUser, options.Neutron, options.Placement];
            return new(who, catalogs, provider.GetRequiredService<KeystoneSessions>());
        }
    }

    /// <summary>The attempt's time limit is ours (AdapterOptions.AttemptTimeout); HttpClient's would span all attempts.</summary>
    private static void NoClientTimeout(HttpClient client) => client.Timeout = Timeout.InfiniteTimeSpan;
}
