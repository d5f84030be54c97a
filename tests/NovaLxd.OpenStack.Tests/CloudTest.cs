using Microsoft.Extensions.DependencyInjection;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.OpenStack.Tests;

/// <summary>A cloud of fakes and our clients, put together as the service does it, for one test.</summary>
public abstract class CloudTest : IAsyncLifetime
{
    protected const string RequestId = "req-11111111-2222-3333-4444-555555555555";
    protected static readonly OpenStackCaller Service = OpenStackCaller.Background(RequestId);

    private readonly List<ServiceProvider> providers = [];

    protected HttpCloud Cloud { get; private set; } = null!;

    protected virtual TimeProvider? Time => null;

    protected CancellationToken Never => CancellationToken.None;

    public virtual async Task InitializeAsync() => Cloud = await HttpCloud.StartAsync(Time);

    public virtual async Task DisposeAsync()
    {
        foreach (var provider in providers)
            await provider.DisposeAsync();
        await Cloud.DisposeAsync();
    }

    /// <summary>Our services with the cloud's configuration, changed by <paramref name="set"/> ("section.option", value; null removes).</summary>
    protected ServiceProvider Start(params (string Name, string? Value)[] set)
    {
        var configuration = Cloud.Configuration().ToDictionary(l => $"{l.Section}.{l.Option}", l => (string?)l.Value);
        foreach (var section in new[] { "placement", "neutron", "glance", "service_user" })
            configuration[section + ".connect_retry_delay"] = "0.01";
        foreach (var (name, value) in set)
            configuration[name] = value;
        var faults = new List<string>();
        var options = OpenStackOptions.Read((section, option) => configuration.GetValueOrDefault($"{section}.{option}"), faults);
        Assert.Empty(faults);
        var services = new ServiceCollection();
        if (Time is { } time)
            services.AddSingleton(time);
        services.AddOpenStack(_ => options with { ConflictPause = TimeSpan.FromMilliseconds(5) });
        var provider = services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        providers.Add(provider);
        return provider;
    }

    /// <summary>A caller with a user's token, as made from an RPC context.</summary>
    protected OpenStackCaller User(string project = "demo", params string[] roles) =>
        new(Cloud.Keystone.IssueToken("alice", project, roles).Value, RequestId);
}
