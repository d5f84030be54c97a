using System.ComponentModel;
using NovaLxd.Virt.Processes;
using NovaLxd.Virt.Storage;

namespace NovaLxd.Virt.Drives;

/// <summary>Makes the image of a file system out of a folder, by the programs that every distribution has for it.</summary>
internal sealed class DriveImage(string isoCommand)
{
    private const UnixFileMode OnlyRoot = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>What Nova gives a config drive of this kind. The file is sparse.</summary>
    private const long VfatBytes = 64L << 20;

    /// <param name="content">The folder.</param>
    /// <param name="path">The image, which is not there yet, in a folder that nobody else can enter.</param>
    /// <param name="drive">Format and label.</param>
    /// <param name="cancellationToken">Cancels; what is left then is the caller's to remove, as after a failure.</param>
    /// <exception cref="DriveException">A program is missing or fails.</exception>
    public async Task MakeAsync(string content, string path, DriveSpec drive, CancellationToken cancellationToken)
    {
        switch (drive.Format)
        {
            case DriveFormat.Iso9660:
                await RunAsync(
                    "set mkisofs_cmd, or install genisoimage",
                    [isoCommand, "-quiet", "-o", path, "-ldots", "-allow-lowercase", "-allow-multidot", "-l", "-publisher", "NovaLxd", "-J", "-r", "-V", drive.Label, content],
                    cancellationToken).ConfigureAwait(false);
                break;
            case DriveFormat.Vfat:
                await using (var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OnlyRoot }))
                {
                    file.SetLength(VfatBytes);
                }

                await RunAsync("install dosfstools", ["mkfs.vfat", "-n", drive.Label, path], cancellationToken).ConfigureAwait(false);
                await RunAsync(
                    "install mtools", ["mcopy", "-i", path, "-s", "-Q", "-m", .. Directory.EnumerateFileSystemEntries(content).Order(StringComparer.Ordinal), "::/"],
                    cancellationToken).ConfigureAwait(false);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(drive), drive.Format, "There is no such format of a drive.");
        }

        File.SetUnixFileMode(path, OnlyRoot);
    }

    private static async Task RunAsync(string remedy, IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        try
        {
            await CommandRunner.RunAsync(command, cancellationToken).ConfigureAwait(false);
        }
        catch (Win32Exception e)
        {
            // Short: Nova shows users 255 characters of it.
            throw new DriveException($"The image of the drive could not be made: {command[0]} cannot be executed on this host. The operator has to {remedy}.", e);
        }
        catch (CommandFailedException e) when (OutOfSpace.Is(e))
        {
            throw new OutOfSpaceException($"The image of the drive could not be made: {e.Message}", e);
        }
        catch (CommandFailedException e)
        {
            throw new DriveException($"The image of the drive could not be made: {e.Message}", e);
        }
    }
}

/// <summary>A drive could not be made on this host.</summary>
public sealed class DriveException(string message, Exception? inner = null) : VirtException(message, inner);
