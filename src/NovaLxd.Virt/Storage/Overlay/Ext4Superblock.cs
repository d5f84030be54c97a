using System.Numerics;
using System.Security.Cryptography;
using static System.Buffers.Binary.BinaryPrimitives;

namespace NovaLxd.Virt.Storage.Overlay;

/// <summary>
/// The fields of an ext4 superblock that are looked at or changed here without starting a program (kernel: Documentation/filesystems/ext4/super.rst). All
/// numbers are little-endian; the superblock is 1024 bytes long and begins at byte 1024 of the disk.
/// </summary>
internal readonly record struct Ext4Superblock(long Blocks, long FreeBlocks, long OverheadBlocks, int BlockSize, int BlocksPerGroup, bool HasErrors)
{
    public const int Position = 1024;

    public const int Size = 1024;

    /// <summary>EXT2_ERROR_FS: the kernel met damage and wants a check before the next mount.</summary>
    private const int ErrorState = 2;

    private const int UuidOffset = 0x68;
    private const int HashSeedOffset = 0xEC;
    private const int ChecksumOffset = 0x3FC;

    /// <summary>Bytes of files and directories of the guest, without the journal and the inode tables; as of the last clean unmount.</summary>
    public long UsedBytes => Math.Max(0, Blocks - OverheadBlocks - FreeBlocks) * BlockSize;

    /// <returns>Null when this is no ext4.</returns>
    public static Ext4Superblock? Parse(ReadOnlySpan<byte> block) =>
        block.Length < Size || ReadUInt16LittleEndian(block[0x38..]) != 0xEF53
            ? null
            : new Ext4Superblock(
                Wide(block, 0x04, 0x150),
                Wide(block, 0x0C, 0x158),
                ReadUInt32LittleEndian(block[0x248..]),
                1024 << Math.Min(6, (int)ReadUInt32LittleEndian(block[0x18..])),
                (int)ReadUInt32LittleEndian(block[0x20..]),
                (ReadUInt16LittleEndian(block[0x3A..]) & ErrorState) != 0);

    /// <summary>
    /// Makes a copied superblock another file system's: UUID, seed of directory hashes, checksum. Only right with metadata_csum_seed, with which no other
    /// checksum on the disk depends on the UUID.
    /// </summary>
    public static void SetIdentity(Span<byte> block, ReadOnlySpan<byte> uuid, ReadOnlySpan<byte> hashSeed)
    {
        uuid[..16].CopyTo(block[UuidOffset..]);
        hashSeed[..16].CopyTo(block[HashSeedOffset..]);
        var checksum = uint.MaxValue;
        foreach (var octet in block[..ChecksumOffset])
        {
            checksum = BitOperations.Crc32C(checksum, octet);
        }

        WriteUInt32LittleEndian(block[ChecksumOffset..], checksum);
    }

    /// <summary>Where the superblock and its copies begin, in bytes (sparse_super: groups 0, 1 and the powers of 3, 5 and 7).</summary>
    public IEnumerable<long> Copies()
    {
        yield return Position;
        var groups = (Blocks + BlocksPerGroup - 1) / BlocksPerGroup;
        var groupBytes = (long)BlocksPerGroup * BlockSize;
        if (groups > 1)
        {
            yield return groupBytes;
        }

        foreach (var factor in new long[] { 3, 5, 7 })
        {
            for (var group = factor; group < groups; group *= factor)
            {
                yield return group * groupBytes;
            }
        }
    }

    /// <summary>A random UUID of version 4 in the byte order of the disk (RFC 4122).</summary>
    public static byte[] NewUuid()
    {
        var uuid = RandomNumberGenerator.GetBytes(16);
        uuid[6] = (byte)((uuid[6] & 0x0F) | 0x40);
        uuid[8] = (byte)((uuid[8] & 0x3F) | 0x80);
        return uuid;
    }

    private static long Wide(ReadOnlySpan<byte> block, int low, int high) =>
        ReadUInt32LittleEndian(block[low..]) | ((long)ReadUInt32LittleEndian(block[high..]) << 32);
}
