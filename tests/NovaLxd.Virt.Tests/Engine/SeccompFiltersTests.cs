using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests.Engine;

public sealed class SeccompFiltersTests : IAsyncLifetime
{
    private const string Own = """{ "deny": [ { "why": "mine", "errno": "EPERM", "names": ["getcwd"] } ] }""";

    private readonly string _path = Path.GetTempFileName();
    private DriverHost _host = null!;

    public async Task InitializeAsync() => _host = await DriverHost.StartAsync();

    public async Task DisposeAsync()
    {
        await _host.DisposeAsync();
        File.Delete(_path);
    }

    [Fact]
    public void WithoutAFileTheShippedRulesApply()
    {
        var filters = new SeccompFilters(null);
        filters.Load();

        Assert.Null(filters.Find(new SecuritySpec()));
    }

    [Fact]
    public async Task TheOperatorsRulesReachTheSupervisorCompiled()
    {
        await RestartAsync(Own);

        var spec = await _host.CreateRunningAsync();

        var expected = SeccompProfile.Compile(SeccompRules.Parse(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(Own)), "own"), new SecuritySpec());
        Assert.Equal(expected, _host.Engine.Launched[spec.Id].SeccompFilter);
        Assert.NotEqual(SeccompProfile.Compile(new SecuritySpec()), expected);
    }

    /// <summary>Between service and supervisor, and in the record that a reboot of the guest is made from.</summary>
    [Fact]
    public async Task TheFilterSurvivesTheWayToTheSupervisor()
    {
        await RestartAsync(Own);
        var launched = _host.Engine.Launched[(await _host.CreateRunningAsync()).Id];

        var arrived = SupervisorProtocol.DecodeRequest(SupervisorProtocol.Encode(new SupervisorRequest { Sequence = 1, Call = SupervisorCall.Launch, Spec = launched }));

        Assert.Equal(launched.SeccompFilter, arrived.Spec!.SeccompFilter);
    }

    [Theory]
    [InlineData("[", "is not a list of system call rules")]
    [InlineData("""{ "deny": [ { "why": "x", "errno": "EPERM", "names": ["getcvd"] } ] }""", "'getcvd'")]
    [InlineData("""{ "deny": [ { "why": "x", "errno": "EFUN", "names": ["getcwd"] } ] }""", "'EFUN'")]
    [InlineData("""{ "deny": [ { "why": "x", "errno": "EPERM", "names": ["getcwd"], "argument": { "index": 9, "mask": 1, "value": 1 } } ] }""", "seccomp_rule_add")]
    public async Task ABadFileKeepsTheServiceFromStarting(string json, string words)
    {
        var fault = await Assert.ThrowsAsync<HostUnsuitableException>(() => RestartAsync(json));

        Assert.Contains(words, fault.Message, StringComparison.Ordinal);
        Assert.Contains(_path, fault.Message, StringComparison.Ordinal);
        Assert.Contains("[lxd] seccomp_profile", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileThatIsNotThereIsNamed()
    {
        var fault = Assert.Throws<HostUnsuitableException>(() => new SeccompFilters("/nowhere/seccomp.json").Load());

        Assert.Contains("/nowhere/seccomp.json", fault.Message, StringComparison.Ordinal);
    }

    private async Task RestartAsync(string json)
    {
        await File.WriteAllTextAsync(_path, json);
        _host.Options = _host.Options with { SeccompProfilePath = _path };
        await _host.RestartAsync();
    }
}
