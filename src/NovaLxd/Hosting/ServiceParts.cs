using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Configuration;

namespace NovaLxd.Hosting;

/// <summary>What the service is made of, from the outside in.</summary>
internal static class ServiceParts
{
    public static void Add(IServiceCollection services, OsloConfig config)
    {
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(config);
    }
}
