using System.Formats.Tar;
using System.Runtime.InteropServices;
using System.Text;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Benchmarks;

/// <summary>
/// The same system launched by LXD, from its image: what NovaLxd is in the place of. Its storage is that of the host's default profile; bridge and limits are ours.
/// </summary>
internal sealed class LxdLaunch
{
    private static readonly string[] Folders = ["/usr/bin", "/snap/bin", "/usr/local/bin"];
    private readonly string _client;
    private int _launched;

    private LxdLaunch(string client) => _client = client;

    private static string Image => $"{BenchmarkHost.Mark}lxd";

    private string Name => $"{Image}{_launched}";

    /// <returns>Null: there is no LXD on this host that answers, for the <paramref name="reason"/>.</returns>
    public static async Task<(LxdLaunch? Lxd, string Reason)> PrepareAsync(string imageRoot, CancellationToken cancellationToken)
    {
        if (Folders.Select(folder => Path.Combine(folder, "lxc")).FirstOrDefault(File.Exists) is not { } client)
        {
            return (null, "the client lxc of LXD is not installed here (snap install lxd, or apt-get install lxd; lxd init --auto)");
        }

        var archive = Path.Combine(BenchmarkHost.Folder, "lxd.tar");
        try
        {
            await CommandRunner.RunAsync([client, "query", "/1.0"], cancellationToken);
            await WriteImageAsync(imageRoot, archive, cancellationToken);
            await CommandRunner.RunAsync([client, "image", "import", archive, "--alias", Image], cancellationToken);
            return (new LxdLaunch(client), "");
        }
        catch (CommandFailedException e)
        {
            // The client puts its advice for newcomers before the error.
            return (null, $"LXD does not work here: {e.Message.Split('\n')[^1]}");
        }
    }

    public Task LaunchAsync(CancellationToken cancellationToken)
    {
        _launched++;
        return CommandRunner.RunAsync(
            [_client, "launch", Image, Name, "--ephemeral", "--network", BenchmarkHost.Bridge, "-c", "limits.cpu=1", "-c", "limits.memory=512MiB", "-c", "limits.processes=1000"],
            cancellationToken);
    }

    public Task DeleteAsync(CancellationToken cancellationToken) => CommandRunner.RunAsync([_client, "delete", "--force", Name], cancellationToken);

    public Task RemoveImageAsync() => CommandRunner.RunAsync([_client, "image", "delete", Image], CancellationToken.None);

    /// <summary>LXD's unified format: metadata.yaml beside a folder rootfs.</summary>
    private static async Task WriteImageAsync(string imageRoot, string archive, CancellationToken cancellationToken)
    {
        var architecture = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "aarch64" : "x86_64";
        await using var tar = new TarWriter(File.Create(archive), TarEntryFormat.Pax);
        await tar.WriteEntryAsync(
            new PaxTarEntry(TarEntryType.RegularFile, "metadata.yaml") { DataStream = new MemoryStream(Encoding.ASCII.GetBytes($"architecture: {architecture}\ncreation_date: 1\n")) },
            cancellationToken);
        await tar.WriteEntryAsync(imageRoot, "rootfs", cancellationToken);
        foreach (var path in Directory.EnumerateFileSystemEntries(imageRoot, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            await tar.WriteEntryAsync(path, "rootfs/" + Path.GetRelativePath(imageRoot, path), cancellationToken);
        }
    }
}
