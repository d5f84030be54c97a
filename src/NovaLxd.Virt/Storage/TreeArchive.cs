using System.Text;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Storage;

/// <summary>
/// A tree as a tar archive with everything that an overlay's layer may have: holes, hard links, whiteouts, and all extended attributes, among them overlayfs's
/// own, which the reader of images refuses. tar(1) keeps them all. Sockets stay behind: nobody listens there any more.
/// </summary>
internal static class TreeArchive
{
    private const string Remedy = "tar cannot be executed on this host. The operator has to install it.";

    /// <param name="folder">Where the tree is.</param>
    /// <param name="name">Its top.</param>
    /// <param name="archive">Path of the archive, which goes with the file's disposal; one of an earlier run is replaced.</param>
    /// <param name="cancellationToken">Ends it; nothing is left then, as after a failure.</param>
    /// <exception cref="OutOfSpaceException">There is no room for it.</exception>
    public static async Task<PackedFile> PackAsync(string folder, string name, string archive, CancellationToken cancellationToken)
    {
        try
        {
            File.Delete(archive);
            Create(archive).Dispose();
            await RunAsync(
                [
                    "tar", "--create", "--force-local", $"--file={archive}", "--format=posix", "--numeric-owner", "--sparse", "--xattrs", "--xattrs-include=*",
                    "--warning=no-file-ignored", $"--directory={folder}", name,
                ],
                cancellationToken).ConfigureAwait(false);
            using var parent = DirectoryHandle.Open(Path.GetDirectoryName(archive)!);
            return new PackedFile(parent.OpenFile(Encoding.UTF8.GetBytes(Path.GetFileName(archive))), archive);
        }
        catch (Exception e)
        {
            File.Delete(archive);
            if (OutOfSpace.Is(e))
            {
                throw new OutOfSpaceException($"There is no room for the archive {archive} that is to leave this host.", e);
            }

            throw;
        }
    }

    /// <summary>Into an empty folder that nobody else reaches. Members cannot leave it: tar takes neither ".." nor ways through links that it has made.</summary>
    public static Task UnpackAsync(string archive, string folder, CancellationToken cancellationToken) => RunAsync(
        [
            "tar", "--extract", "--force-local", $"--file={archive}", "--numeric-owner", "--same-owner", "--preserve-permissions", "--xattrs",
            "--xattrs-include=*", "--delay-directory-restore", $"--directory={folder}",
        ],
        cancellationToken);

    /// <summary>An empty file for root alone, whatever the umask is: what is in it may be secret.</summary>
    public static Microsoft.Win32.SafeHandles.SafeFileHandle Create(string path)
    {
        using var parent = DirectoryHandle.Open(Path.GetDirectoryName(path)!);
        return parent.CreateFile(Encoding.UTF8.GetBytes(Path.GetFileName(path)), 0x180);
    }

    private static async Task RunAsync(IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        try
        {
            await CommandRunner.RunAsync(command, cancellationToken).ConfigureAwait(false);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new TransferRefusedException(Remedy, e);
        }
    }
}
