using System.Diagnostics;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests.Broker;

/// <summary>A process of Debian's python3 that runs one of the interop scripts on the real oslo.messaging.</summary>
internal sealed class PythonPeer : IAsyncDisposable
{
    private const string Python = "/usr/bin/python3";
    private readonly Process _process;
    private readonly Task<string> _errors;

    private PythonPeer(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Starts a script and waits until it says "ready".</summary>
    /// <exception cref="InvalidOperationException">It ended instead; the message has its complaints.</exception>
    public static async Task<PythonPeer> StartAsync(string script, TestBus bus, JObject? rabbit = null, JObject? more = null)
    {
        var settings = new JObject
        {
            ["url"] = bus.Options.TransportUrl,
            ["exchange"] = bus.Options.ControlExchange,
            ["rabbit"] = rabbit ?? [],
        };
        settings.Merge(more ?? []);
        var info = new ProcessStartInfo(
            Python, ["-u", Path.Combine(AppContext.BaseDirectory, "interop", script), settings.ToString(Formatting.None)])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.Environment.Clear();
        info.Environment["PATH"] = "/usr/bin:/bin";
        info.Environment["LC_ALL"] = "C.UTF-8";
        info.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        var peer = new PythonPeer(Process.Start(info)!);
        Assert.Equal("ready", (string?)await peer.ReadAsync());
        return peer;
    }

    /// <summary>The next line of its output.</summary>
    public async Task<JToken> ReadAsync()
    {
        var line = await _process.StandardOutput.ReadLineAsync().WaitAsync(TestBus.Long);
        return line is not null
            ? OsloJson.Parse(line)
            : throw new InvalidOperationException(
                $"python3 ended; python3-oslo.messaging and python3-nova of Debian are needed. It said: {await _errors}");
    }

    public async Task<JToken> AskAsync(JObject request)
    {
        await _process.StandardInput.WriteLineAsync(request.ToString(Formatting.None));
        await _process.StandardInput.FlushAsync();
        return await ReadAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        try
        {
            await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
        }
        catch (TimeoutException)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }
}
