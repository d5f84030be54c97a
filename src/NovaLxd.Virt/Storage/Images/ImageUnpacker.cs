using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Archives;
using NovaLxd.Virt.Storage.Archives.Squashfs;

namespace NovaLxd.Virt.Storage.Images;

/// <summary>From a stream of unknown content to a folder, on one thread: recognise, decompress, unpack, in one pass (squashfs: after one to a file).</summary>
internal static class ImageUnpacker
{
    /// <summary>Decompressed data may exceed what is written by headers and padding, by no more than this.</summary>
    private const long HeaderAllowance = 1L << 30;

    /// <param name="source">The content as received.</param>
    /// <param name="target">An empty folder.</param>
    /// <param name="spool">Path of a file that may be made meanwhile.</param>
    /// <param name="limits">What unpacking may take.</param>
    /// <returns>Name of the format ("tar.gz", "squashfs") and what was written.</returns>
    public static (string Format, UnpackResult Result) Unpack(
        Stream source, string target, string spool, UnpackLimits limits, CancellationToken cancellationToken)
    {
        using var input = new RewindableStream(source);
        var content = ImageContent.Recognise(input.Peek(ImageContent.SampleSize));
        if (content.Kind == ImageContentKind.Other)
        {
            throw new ImageRejectedException($"The image is {content.Name}; {ImageContent.Accepted}.");
        }

        using var root = DirectoryHandle.Open(target);
        using var writer = new RootfsWriter(root, limits);
        if (content.Kind == ImageContentKind.Squashfs)
        {
            using var file = Spool(input, spool, limits, cancellationToken);
            using var squashfs = new SquashfsReader(file, limits.MaxBytes);
            return ("squashfs", writer.WriteAll(squashfs, cancellationToken));
        }

        using var decompressed = new DecompressedStream(input, content.Kind, limits.MaxBytes + HeaderAllowance);
        using var inner = new RewindableStream(decompressed);
        var archive = ImageContent.Recognise(inner.Peek(ImageContent.SampleSize));
        if (archive.Kind != ImageContentKind.Tar)
        {
            throw new ImageRejectedException($"The image is {content.Name} data, and what it holds is {archive.Name}; {ImageContent.Accepted}.");
        }

        using var tar = new TarReader(inner);
        return (Format(content.Kind), writer.WriteAll(tar, cancellationToken));
    }

    private static string Format(ImageContentKind kind) => kind switch
    {
        ImageContentKind.Gzip => "tar.gz",
        ImageContentKind.Xz => "tar.xz",
        ImageContentKind.Zstd => "tar.zst",
        _ => "tar",
    };

    /// <summary>squashfs has its tables at the end. The file has no name from the start, so that no crash leaves it.</summary>
    private static Microsoft.Win32.SafeHandles.SafeFileHandle Spool(RewindableStream input, string path, UnpackLimits limits, CancellationToken cancellationToken)
    {
        var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite);
        try
        {
            File.Delete(path);
            var buffer = new byte[256 * 1024];
            long length = 0;
            for (int read; (read = input.Read(buffer)) > 0; length += read)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (length > limits.MaxBytes)
                {
                    throw new ImageRejectedException($"The image is refused: it has more than {limits.MaxBytes} bytes.");
                }

                FileData.Write(file, buffer.AsSpan(0, read), length);
            }

            CheckTail(file, length);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>mksquashfs fills up with zeros to a multiple of 4096 (or what it was told); anything else behind the end is not ours.</summary>
    private static void CheckTail(Microsoft.Win32.SafeHandles.SafeFileHandle file, long length)
    {
        var start = new byte[SquashfsSuperblock.Size];
        var end = SquashfsSuperblock.Parse(start.AsSpan(0, RandomAccess.Read(file, start, 0)), length).BytesUsed;
        var buffer = new byte[64 * 1024];
        for (int read; (read = RandomAccess.Read(file, buffer, end)) > 0; end += read)
        {
            if (buffer.AsSpan(0, read).ContainsAnyExcept((byte)0))
            {
                throw new ImageRejectedException("The image is refused: there is something after the end of the squashfs.");
            }
        }
    }
}
