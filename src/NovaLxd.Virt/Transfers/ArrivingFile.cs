using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Transfers;

/// <summary>A file that comes piece by piece, in order. Blocks of zeros become holes again.</summary>
internal sealed class ArrivingFile(TransferPart part, SafeFileHandle file) : IDisposable
{
    private const int Block = 4096;

    private readonly TransferHash _hash = new();

    public TransferPart Part => part;

    public long Position { get; private set; }

    /// <summary>False: it has come already.</summary>
    public bool Write(long offset, ReadOnlySpan<byte> data)
    {
        if (offset < Position)
        {
            return false;
        }

        if (data.Length > part.Size || offset > part.Size - data.Length)
        {
            throw new TransferRefusedException($"The {part.Name} was announced with {part.Size} bytes, and data for offset {offset + data.Length} came.");
        }

        for (var done = 0; done < data.Length;)
        {
            var length = RunLength(data[done..], out var zeros);
            if (!zeros)
            {
                FileData.Write(file, data.Slice(done, length), offset + done);
            }

            done += length;
        }

        // Only what is on the file counts: a piece that failed half way is written again.
        _hash.Append(offset, data);
        Position = offset + data.Length;
        return true;
    }

    /// <summary>All has come: it is what left the other host, and on the disk.</summary>
    /// <exception cref="TransferRefusedException">It is not.</exception>
    public void Finish(string hash)
    {
        var actual = _hash.Value;
        if (!CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(actual), Encoding.ASCII.GetBytes(hash)))
        {
            throw new TransferRefusedException($"The {part.Name} arrived with SHA-256 {actual} and left the other host with {hash}: it was damaged on the way.");
        }

        RandomAccess.FlushToDisk(file);
    }

    public void Dispose()
    {
        file.Dispose();
        _hash.Dispose();
    }

    /// <summary>How many bytes from here on are blocks of zeros, or are not.</summary>
    private static int RunLength(ReadOnlySpan<byte> data, out bool zeros)
    {
        zeros = IsZero(data, 0);
        var length = Math.Min(Block, data.Length);
        while (length < data.Length && IsZero(data, length) == zeros)
        {
            length = Math.Min(length + Block, data.Length);
        }

        return length;
    }

    private static bool IsZero(ReadOnlySpan<byte> data, int start) =>
        !data[start..Math.Min(start + Block, data.Length)].ContainsAnyExcept((byte)0);
}
