namespace NovaLxd.Startup;

/// <summary>How far the service has come, for the health endpoint.</summary>
internal sealed class StartupState
{
    private volatile string _phase = "starting";

    /// <summary>"serving" once messages are taken.</summary>
    public string Phase => _phase;

    public bool IsServing => _phase == "serving";

    public void Reached(string phase) => _phase = phase;
}
