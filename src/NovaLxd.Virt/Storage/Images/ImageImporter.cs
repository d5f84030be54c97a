using System.IO.Pipelines;
using System.Text;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Storage.Archives;

namespace NovaLxd.Virt.Storage.Images;

/// <summary>
/// Brings one image into the store. Two run side by side: the receiver reads and hashes, the unpacker (a thread of its own, since decoders and
/// file calls block) decompresses and writes; a pipe of a few MiB lies between them, so that memory does not depend on the size of the image.
/// </summary>
internal sealed class ImageImporter(string images, TimeProvider time)
{
    /// <summary>Folders of imports under way, which a crash leaves behind.</summary>
    public const string DraftPrefix = ".import-";

    public const string RootFolder = "root";

    public const string InfoFile = "info.json";

    private const int PipeBytes = 4 << 20;

    /// <summary>(1) unpack beside the store (2) check the hash (3) find the root (4) make it durable (5) publish by one rename.</summary>
    /// <param name="import">What to fetch and what it must be.</param>
    /// <param name="folder">Name of the image's folder in the store.</param>
    /// <exception cref="ImageRejectedException"/>
    /// <exception cref="OutOfSpaceException"/>
    public async Task<ImageRecord> ImportAsync(ImageImport import, string folder, CancellationToken cancellationToken)
    {
        using var hash = new ImageHash(import.HashAlgorithm, import.HashValue);
        var draft = Path.Combine(images, $"{DraftPrefix}{Guid.NewGuid():N}");
        try
        {
            // (1)
            var (format, result) = await ReceiveAsync(import, draft, hash, cancellationToken).ConfigureAwait(false);

            // (2)
            hash.Verify();

            // (3) to (5)
            var record = new ImageRecord(import.Key, format, result.Bytes, time.GetUtcNow());
            return await BlockingWork.RunOnOwnThreadAsync(() => Publish(draft, folder, record)).ConfigureAwait(false);
        }
        catch (Exception e) when (OutOfSpace.Is(e))
        {
            throw new OutOfSpaceException($"The image does not fit on this host: no space left in {images}.", e);
        }
        finally
        {
            await BlockingWork.RunOnOwnThreadAsync(() =>
            {
                DirectoryTree.Delete(draft);
                return true;
            }).ConfigureAwait(false);
        }
    }

    private async Task<(string Format, UnpackResult Result)> ReceiveAsync(
        ImageImport import, string draft, ImageHash hash, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var source = await import.OpenAsync(stop.Token).ConfigureAwait(false);
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: PipeBytes, resumeWriterThreshold: PipeBytes / 2, useSynchronizationContext: false));
        var receiver = PumpAsync(source, pipe.Writer, hash, stop.Token);
        try
        {
            return await BlockingWork.RunOnOwnThreadAsync(() => Unpack(pipe.Reader, import, draft, stop.Token)).ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await receiver.ConfigureAwait(false);
        }
    }

    private static (string Format, UnpackResult Result) Unpack(PipeReader reader, ImageImport import, string draft, CancellationToken cancellationToken)
    {
        using var content = reader.AsStream();
        using (var store = DirectoryHandle.Open(Path.GetDirectoryName(draft)!))
        {
            store.MakeDirectory(Encoding.UTF8.GetBytes(Path.GetFileName(draft)), 0x1C0);
        }

        using (var parent = DirectoryHandle.Open(draft))
        {
            parent.MakeDirectory("tree"u8, 0x1C0);
            parent.ChangeMode("tree"u8, 0x1ED); // What an archive without a member for its root gets.
        }

        return ImageUnpacker.Unpack(content, Path.Combine(draft, "tree"), Path.Combine(draft, "spool"), new UnpackLimits(import.MaxUnpackedBytes), cancellationToken);
    }

    /// <summary>Never fails: how the source ended reaches the unpacker through the pipe.</summary>
    private static async Task PumpAsync(Stream source, PipeWriter writer, ImageHash hash, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            while (true)
            {
                var memory = writer.GetMemory(128 * 1024);
                var read = await source.ReadAsync(memory, cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    break;
                }

                hash.Append(memory.Span[..read]);
                writer.Advance(read);
                var flushed = await writer.FlushAsync(cancellationToken).ConfigureAwait(false);
                if (flushed.IsCompleted)
                {
                    break; // The unpacker has given up.
                }
            }
        }
#pragma warning disable CA1031 // It is rethrown where the pipe is read.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure = e;
        }

        await writer.CompleteAsync(failure).ConfigureAwait(false);
    }

    private ImageRecord Publish(string draft, string folder, ImageRecord record)
    {
        using var drafts = DirectoryHandle.Open(draft);
        using (var tree = drafts.OpenChild("tree"u8))
        {
            MoveRoot(drafts, tree, RootfsLocator.Locate(tree));
        }

        StorageJson.Write(draft, InfoFile, record, StorageJson.Default.ImageRecord);

        // Without this a crash could leave a complete tree of empty files under the final name.
        drafts.SyncFileSystem();
        using var store = DirectoryHandle.Open(images);
        store.Rename(Encoding.UTF8.GetBytes(Path.GetFileName(draft)), store, Encoding.UTF8.GetBytes(folder));
        store.Sync();
        return record;
    }

    private static void MoveRoot(DirectoryHandle draft, DirectoryHandle tree, byte[] path)
    {
        var root = Encoding.UTF8.GetBytes(RootFolder);
        if (path.Length == 0)
        {
            draft.Rename("tree"u8, draft, root);
            return;
        }

        var slash = path.AsSpan().LastIndexOf((byte)'/');
        using (var parent = slash < 0 ? tree.OpenChild("."u8) : tree.OpenBeneath(path.AsSpan(0, slash))!)
        {
            parent.Rename(path.AsSpan(slash + 1), draft, root);
        }
    }
}
