using System.Diagnostics;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Tests.Network;

/// <summary>An Open vSwitch of its own in a namespace: ovsdb-server and ovs-vswitchd with the userspace datapath, files in a temporary folder.</summary>
internal sealed class OpenVSwitch : IAsyncDisposable
{
    /// <summary>For an answer of the database and for the switch to have carried out a change: with twenty at once on an emulated machine it takes its time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly string _folder = Directory.CreateTempSubdirectory("novalxd-ovs").FullName;
    private readonly List<Process> _processes = [];
    private readonly NetworkNamespace _place;

    private OpenVSwitch(NetworkNamespace place) => _place = place;

    public OvsOptions Options => new() { Connection = $"unix:{_folder}/db.sock", Timeout = Patience };

    private static string Limit => $"--timeout={Patience.TotalSeconds}";

    /// <summary>Fails, saying so, where the package openvswitch-switch is not installed.</summary>
    public static async Task<OpenVSwitch> StartAsync(NetworkNamespace place)
    {
        var started = new OpenVSwitch(place);
        try
        {
            await place.RunAsync(started.StartAsync);
            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    /// <summary>ovs-vsctl's answer.</summary>
    public async Task<string> AskAsync(string command)
        => (await _place.ShellAsync($"ovs-vsctl {Limit} --db={Options.Connection} --bare -- {command}")).TrimEnd('\n');

    public async ValueTask DisposeAsync()
    {
        foreach (var process in Enumerable.Reverse(_processes))
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync()
    {
        if (!File.Exists("/usr/bin/ovs-vsctl"))
        {
            throw new InvalidOperationException("Open vSwitch is missing: apt-get install openvswitch-switch");
        }

        await CommandRunner.RunAsync(
            ["ovsdb-tool", "create", $"{_folder}/conf.db", "/usr/share/openvswitch/vswitch.ovsschema"], CancellationToken.None);
        Start("/usr/sbin/ovsdb-server", $"{_folder}/conf.db", $"--remote=punix:{_folder}/db.sock");
        await CommandRunner.RunAsync(
            ["ovs-vsctl", Limit, "--retry", $"--db={Options.Connection}", "--no-wait", "init"], CancellationToken.None);
        // Without it the userspace datapath hands on TCP checksums as the sending interface left them to hardware: unfinished.
        await CommandRunner.RunAsync(
            ["ovs-vsctl", Limit, $"--db={Options.Connection}", "--no-wait", "set", "Open_vSwitch", ".", "other_config:userspace-tso-enable=true"],
            CancellationToken.None);
        Start("/usr/sbin/ovs-vswitchd", $"unix:{_folder}/db.sock");
    }

    private void Start(string program, params string[] arguments)
    {
        var name = Path.GetFileName(program);
        var start = new ProcessStartInfo(
            program, [.. arguments, $"--unixctl={_folder}/{name}.ctl", $"--log-file={_folder}/{name}.log", "--verbose=console:off", "--verbose=file:info"])
        {
            // Only so that they do not write among the tests' lines; with the console off they write nothing.
            RedirectStandardError = true,
        };
        start.Environment["OVS_RUNDIR"] = _folder;
        start.Environment["OVS_LOGDIR"] = _folder;
        start.Environment["OVS_DBDIR"] = _folder;
        _processes.Add(Process.Start(start)!);
    }
}
