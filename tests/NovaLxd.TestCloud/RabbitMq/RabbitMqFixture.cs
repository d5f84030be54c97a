using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace NovaLxd.TestCloud.RabbitMq;

/// <summary>
/// A RabbitMQ of our own from Debian's package <c>rabbitmq-server</c>: free loopback ports (plain and TLS), a node name, epmd, cookie and data
/// directory that nobody else uses. It can be stopped, started again and killed; disposing leaves no process and no file.
/// </summary>
public sealed class RabbitMqFixture : IAsyncDisposable
{
    private const string ServerScript = "/usr/lib/rabbitmq/bin/rabbitmq-server";
    private const string User = "tester";
    private const string Password = "s3cret:with@odd%chars";
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(5);

    /// <summary>A broker that is just coming up or going down may take a connection and never say a word.</summary>
    private static readonly TimeSpan GreetingLimit = TimeSpan.FromSeconds(30);

    /// <summary>Ports of brokers of this process, also of those that are down just now and come back.</summary>
    private static readonly HashSet<int> TakenPorts = [];

    private readonly string _directory = Directory.CreateTempSubdirectory("novalxd-rabbit-").FullName;
    private readonly int _epmdPort;
    private readonly int _distributionPort;
    private readonly string _node = $"novalxd{Guid.NewGuid():N}@localhost";
    private readonly IReadOnlyList<string> _extraConfig;
    private Process? _epmd;
    private Process? _server;

    private RabbitMqFixture(IReadOnlyList<string> extraConfig)
    {
        _extraConfig = extraConfig;
        (_epmdPort, _distributionPort, Port, TlsPort) = (FreePort(), FreePort(), FreePort(), FreePort());
    }

    public int Port { get; }

    /// <summary>On 127.0.0.1, and on 127.0.0.2 which does not stand in the certificate.</summary>
    public int TlsPort { get; }

    /// <summary>PEM file of the authority that signed the broker's certificate, whose names are localhost and 127.0.0.1.</summary>
    public string CaFile => Path.Combine(_directory, "ca.pem");

    /// <summary>Credentials as they stand in a <c>transport_url</c>, percent-encoded.</summary>
    public static string Credentials => $"{User}:{Uri.EscapeDataString(Password)}";

    public string TransportUrl => $"rabbit://{Credentials}@127.0.0.1:{Port}/";

    /// <summary>Starts a broker and returns when it takes connections.</summary>
    /// <param name="extraConfig">Further lines of <c>rabbitmq.conf</c>.</param>
    /// <exception cref="InvalidOperationException">The package is missing, or the broker did not come up; the message has its output.</exception>
    public static async Task<RabbitMqFixture> StartAsync(params string[] extraConfig)
    {
        if (!File.Exists(ServerScript))
        {
            throw new InvalidOperationException($"{ServerScript} is missing: apt-get install rabbitmq-server");
        }

        var fixture = new RabbitMqFixture(extraConfig);
        try
        {
            fixture.WriteConfiguration();
            await fixture.StartAgainAsync();
            return fixture;
        }
        catch
        {
            await fixture.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the broker after <see cref="StopAsync"/> or <see cref="KillAsync"/>, with its old ports and data.</summary>
    public async Task StartAgainAsync()
    {
        _epmd ??= Start("epmd", "-address", "127.0.0.1", "-port", _epmdPort.ToString(CultureInfo.InvariantCulture));
        _server = Start(ServerScript);
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await using var connection = await ConnectAsync().WaitAsync(GreetingLimit);
                return;
            }
            catch (Exception e) when ((e is BrokerUnreachableException or TimeoutException) && !_server.HasExited
                && Stopwatch.GetElapsedTime(started) < StartLimit)
            {
                await Task.Delay(100);
            }
            catch (Exception e) when (e is BrokerUnreachableException or TimeoutException)
            {
                throw new InvalidOperationException($"RabbitMQ did not start: {(e.InnerException ?? e).Message}\n{ReadLog()}", e);
            }
        }
    }

    /// <summary>Ends the broker as an operator would (SIGTERM): clients are told.</summary>
    public async Task StopAsync()
    {
        Signal(_server!, 15);
        await _server!.WaitForExitAsync();
    }

    /// <summary>kill -9: clients see the connection break.</summary>
    public async Task KillAsync()
    {
        _server!.Kill(entireProcessTree: true);
        await _server.WaitForExitAsync();
    }

    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAgainAsync();
    }

    /// <summary>A connection by RabbitMQ.Client alone, to look at the broker with.</summary>
    public Task<IConnection> ConnectAsync() => new ConnectionFactory
    {
        HostName = "127.0.0.1",
        Port = Port,
        UserName = User,
        Password = Password,
        AutomaticRecoveryEnabled = false,
        ContinuationTimeout = TimeSpan.FromMinutes(2), // nothing here is about how quick the broker is
    }.CreateConnectionAsync();

    /// <summary>Runs <c>rabbitmqctl -q</c> against this broker and returns what it printed.</summary>
    public async Task<string> RabbitmqctlAsync(params string[] arguments)
    {
        using var process = Start("/usr/lib/rabbitmq/bin/rabbitmqctl", ["-q", .. arguments]);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"rabbitmqctl {string.Join(' ', arguments)}: {await output}{await errors}");
    }

    /// <summary>Lines of <c>rabbitmqctl</c> as columns.</summary>
    public async Task<IReadOnlyList<string[]>> ListAsync(params string[] arguments) =>
    [
        .. (await RabbitmqctlAsync([.. arguments, "--no-table-headers"]))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('\t')),
    ];

    public async ValueTask DisposeAsync()
    {
        foreach (var process in new[] { _server, _epmd })
        {
            if (process is { HasExited: false })
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync();
            }

            process?.Dispose();
        }

        Directory.Delete(_directory, recursive: true);
    }

    private void WriteConfiguration()
    {
        TlsFiles.Write(_directory);
        File.WriteAllText(Path.Combine(_directory, "erl_inetrc"), "{lookup, [file, native]}.\n{host, {127,0,0,1}, [\"localhost\"]}.\n");
        File.WriteAllText(Path.Combine(_directory, "enabled_plugins"), "[].\n");
        File.WriteAllLines(Path.Combine(_directory, "rabbitmq.conf"),
        [
            $"listeners.tcp.1 = 127.0.0.1:{Port}",
            $"listeners.ssl.1 = 127.0.0.1:{TlsPort}",
            $"listeners.ssl.2 = 127.0.0.2:{TlsPort}",
            $"ssl_options.cacertfile = {CaFile}",
            $"ssl_options.certfile = {Path.Combine(_directory, "server.pem")}",
            $"ssl_options.keyfile = {Path.Combine(_directory, "server.key")}",
            "ssl_options.verify = verify_none",
            $"default_user = {User}",
            $"default_pass = {Password}",
            "disk_free_limit.absolute = 50MB",
            "log.file.level = warning",
            "log.console = false",
            .. _extraConfig,
        ]);
    }

    private Process Start(string program, params string[] arguments)
    {
        var info = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        info.Environment.Clear();
        foreach (var (name, value) in new Dictionary<string, string>
        {
            ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin",
            ["LC_ALL"] = "C.UTF-8",
            ["HOME"] = _directory, // the Erlang cookie
            ["ERL_EPMD_PORT"] = _epmdPort.ToString(CultureInfo.InvariantCulture),
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            ["ERL_INETRC"] = Path.Combine(_directory, "erl_inetrc"),
            ["RABBITMQ_NODENAME"] = _node,
            ["RABBITMQ_DIST_PORT"] = _distributionPort.ToString(CultureInfo.InvariantCulture),
            ["RABBITMQ_MNESIA_BASE"] = Path.Combine(_directory, "mnesia"),
            ["RABBITMQ_LOG_BASE"] = Path.Combine(_directory, "log"),
            ["RABBITMQ_CONFIG_FILE"] = Path.Combine(_directory, "rabbitmq.conf"),
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(_directory, "enabled_plugins"),
            ["RABBITMQ_CONF_ENV_FILE"] = "/dev/null",
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        })
        {
            info.Environment[name] = value;
        }

        var process = Process.Start(info) ?? throw new InvalidOperationException($"{program} did not start");
        process.StandardInput.Close();
        if (program is ServerScript or "epmd")
        {
            // Read and drop, so that the pipe never fills; what matters is in the log file.
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        return process;
    }

    private string ReadLog()
    {
        var text = new StringBuilder();
        var logs = Path.Combine(_directory, "log");
        foreach (var file in Directory.Exists(logs) ? Directory.GetFiles(logs, "*.log") : [])
        {
            text.AppendLine(File.ReadAllText(file));
        }

        return text.ToString();
    }

    private static void Signal(Process process, int signal)
    {
        if (kill(process.Id, signal) != 0)
        {
            throw new InvalidOperationException($"kill {process.Id}: errno {Marshal.GetLastPInvokeError()}");
        }
    }

    /// <summary>
    /// Below the ports that the kernel gives to connections and to listeners that do not care (ip_local_port_range): one of those would be taken by another while
    /// the broker starts, or is down.
    /// </summary>
    private static int FreePort()
    {
        while (true)
        {
            var port = RandomNumberGenerator.GetInt32(10_000, 32_000);
            lock (TakenPorts)
            {
                if (IsFree(port) && TakenPorts.Add(port))
                {
                    return port;
                }
            }
        }
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Any, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int kill(int pid, int signal);
}
