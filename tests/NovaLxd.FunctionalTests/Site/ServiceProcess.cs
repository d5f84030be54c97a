using System.Diagnostics;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>The service as a program of its own, so that it can be killed.</summary>
internal sealed class ServiceProcess(string configuration, string log) : IAsyncDisposable
{
    private Process? _process;

    /// <summary>Starts the program; what it prints goes where its log goes.</summary>
    public void Start()
    {
        var info = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "novalxd.dll"), "--config-file", configuration, "--log-file", log])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process = Process.Start(info)!;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>kill -9: nothing is told to anybody.</summary>
    public async Task KillAsync()
    {
        if (_process is null)
        {
            return;
        }

        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    public async ValueTask DisposeAsync() => await KillAsync();
}
