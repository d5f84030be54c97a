using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>
/// Empty ext4 file systems in sparse files, one for each size, made by mkfs.ext4 the first time a size is asked for. A new disk is a copy of the parts of
/// the template that have data (0.6 MB of 1 GiB) with a UUID of its own: 0.5 ms where mkfs takes 70.
/// <para>
/// The options, and why. A journal: a guest wants its data after a host crash, and replay takes milliseconds where a check takes minutes; it is small, as it
/// is taken from the flavor's space. No blocks reserved for host root, who does not live there. Inode tables and journal are not zeroed
/// (the file is a hole, which reads as zeros). metadata_csum_seed allows another UUID without rewriting every checksum. No reserved descriptor blocks
/// (resize_inode): the kernel grows the file system without them (meta_bg), and they would be 4 MB to copy for each large disk. The list of features is
/// complete, so that /etc/mke2fs.conf of the host does not matter.
/// </para>
/// <para>What <c>df</c> shows is the size less journal and inode tables (1/64): 0.967 GiB of 1 GiB, 9.81 of 10.</para>
/// </summary>
internal sealed class Ext4Templates(string folder)
{
    /// <summary>Smallest disk that holds a journal and something else.</summary>
    public const long MinSize = 16 << 20;

    /// <summary>Changes with the options below: templates of another generation are deleted.</summary>
    private const string Generation = "ext4-1-";

    private const string Features =
        "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum,metadata_csum_seed";

    private const int BlockSize = 4096;

    private const int MaxTemplates = 64;

    private readonly KeyedLock<long> _locks = new();

    /// <summary>Removes drafts and what an older version made.</summary>
    public void Initialize()
    {
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            var name = Path.GetFileName(path);
            if (!name.StartsWith(Generation, StringComparison.Ordinal) || !name.EndsWith(".img", StringComparison.Ordinal))
            {
                File.Delete(path);
            }
        }
    }

    /// <summary>Path of the template for a size in bytes (whole blocks of it), made now if need be.</summary>
    public async Task<string> GetAsync(long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, MinSize);
        size -= size % BlockSize;
        var path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{Generation}{size}.img"));
        if (File.Exists(path))
        {
            return path;
        }

        using var held = await _locks.EnterAsync(size, cancellationToken).ConfigureAwait(false);
        if (!File.Exists(path))
        {
            DropOldest();
            await MakeAsync(path, size, cancellationToken).ConfigureAwait(false);
        }

        return path;
    }

    /// <summary>Copies a template to a new file and gives it an identity of its own.</summary>
    /// <returns>The new disk, open for reading and writing.</returns>
    public static SafeFileHandle Clone(string template, string path)
    {
        using var source = Ext4Disks.Open(template, writable: false);
        using var parent = DirectoryHandle.Open(Path.GetDirectoryName(path)!);
        var disk = parent.CreateFile(Encoding.UTF8.GetBytes(Path.GetFileName(path)), 0x180);
        try
        {
            FileRange.CopySparse(source, disk, CancellationToken.None);
            var (uuid, seed) = (Ext4Superblock.NewUuid(), RandomNumberGenerator.GetBytes(16));
            var block = new byte[Ext4Superblock.Size];
            RandomAccess.Read(source, block, Ext4Superblock.Position);
            foreach (var position in Ext4Superblock.Parse(block)!.Value.Copies())
            {
                RandomAccess.Read(source, block, position);
                Ext4Superblock.SetIdentity(block, uuid, seed);
                FileData.Write(disk, block, position);
            }

            return disk;
        }
        catch
        {
            disk.Dispose();
            throw;
        }
    }

    /// <summary>MiB: mke2fs's own table gives 32 and more, which is much of a small disk.</summary>
    private static int JournalMegabytes(long size) => size switch
    {
        < 256L << 20 => 4,
        < 4L << 30 => 16,
        < 32L << 30 => 32,
        _ => 64,
    };

    private static async Task MakeAsync(string path, long size, CancellationToken cancellationToken)
    {
        var draft = $"{path}.{Guid.NewGuid():N}";
        try
        {
            using (var file = File.OpenHandle(draft, FileMode.CreateNew, FileAccess.ReadWrite))
            {
                RandomAccess.SetLength(file, size);
            }

            var journal = string.Create(CultureInfo.InvariantCulture, $"size={JournalMegabytes(size)}");
            string[] command =
            [
                "mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256", "-i", "16384", "-m", "0", "-O", Features, "-J", journal,
                "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0", draft,
            ];
            await CommandRunner.RunAsync(command, cancellationToken).ConfigureAwait(false);
            File.Move(draft, path, overwrite: true);
        }
        finally
        {
            File.Delete(draft);
        }
    }

    /// <summary>Flavors come and go; who still needs a dropped template has it open, or makes it again.</summary>
    private void DropOldest()
    {
        var templates = new DirectoryInfo(folder).GetFiles(Generation + "*.img");
        foreach (var old in templates.OrderByDescending(file => file.LastWriteTimeUtc).Skip(MaxTemplates - 1))
        {
            old.Delete();
        }
    }
}
