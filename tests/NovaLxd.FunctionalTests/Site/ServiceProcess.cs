using System.Diagnostics;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>The service as a program of its own, so that it can be killed.</summary>
/// <param name="program">Path of a published one; null: the one that was built with this.</param>
internal sealed class ServiceProcess(string? program, string configuration, string log) : IAsyncDisposable
{
    private Process? _process;

    /// <summary>While it runs.</summary>
    public int Pid => _process!.Id;

    /// <summary>Starts the program; what it prints goes where its log goes.</summary>
    public void Start()
    {
        string[] command = program is null ? ["dotnet", Path.Combine(AppContext.BaseDirectory, "novalxd.dll")] : [program];
        var info = new ProcessStartInfo(command[0], [.. command[1..], "--config-file", configuration, "--log-file", log])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.Environment["DOTNET_TieredCompilation"] = "1"; // quicker at its start, which is most of its life here
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
