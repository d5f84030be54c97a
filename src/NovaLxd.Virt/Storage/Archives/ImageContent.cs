using System.Text;

namespace NovaLxd.Virt.Storage.Archives;

internal enum ImageContentKind
{
    Tar,
    Gzip,
    Xz,
    Zstd,
    Squashfs,

    /// <summary>Nothing a root file system can be unpacked from.</summary>
    Other,
}

/// <summary>What a stream holds, told from its first bytes alone; <paramref name="Name"/> is for messages ("a qcow2 disk image").</summary>
internal readonly record struct ImageContent(ImageContentKind Kind, string Name)
{
    /// <summary>Bytes needed to tell everything apart: ISO 9660 has its mark at 32769.</summary>
    public const int SampleSize = 36 * 1024;

    public const string Accepted = "a root file system as tar (plain, gzip, xz or zstd) or squashfs is accepted";

    /// <param name="sample">The first <see cref="SampleSize"/> bytes, or all there are.</param>
    public static ImageContent Recognise(ReadOnlySpan<byte> sample) =>
        sample.IsEmpty ? Other("an empty file")
        : Compressed(sample) ?? DiskImage(sample) ?? Archive(sample) ?? Text(sample) ?? Unknown(sample);

    private static ImageContent? Compressed(ReadOnlySpan<byte> sample) =>
        At(sample, 0, [0x1F, 0x8B]) ? new(ImageContentKind.Gzip, "gzip")
        : At(sample, 0, [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0]) ? new(ImageContentKind.Xz, "xz")
        : At(sample, 0, [0x28, 0xB5, 0x2F, 0xFD]) ? new(ImageContentKind.Zstd, "zstd")
        : sample.StartsWith("hsqs"u8) ? new(ImageContentKind.Squashfs, "squashfs")
        : sample.StartsWith("BZh"u8) ? Other("bzip2 data")
        : At(sample, 0, [0x04, 0x22, 0x4D, 0x18]) ? Other("lz4 data")
        : At(sample, 0, [0x5D, 0, 0]) ? Other("lzma data")
        : null;

    private static ImageContent? DiskImage(ReadOnlySpan<byte> sample) =>
        At(sample, 0, [(byte)'Q', (byte)'F', (byte)'I', 0xFB]) ? Other("a qcow2 disk image")
        : sample.StartsWith("KDMV"u8) || sample.StartsWith("# Disk DescriptorFile"u8) ? Other("a VMDK disk image")
        : sample.StartsWith("conectix"u8) ? Other("a VHD disk image")
        : sample.StartsWith("vhdxfile"u8) ? Other("a VHDX disk image")
        : At(sample, 64, [0x7F, 0x10, 0xDA, 0xBE]) ? Other("a VDI disk image")
        : At(sample, 0x8001, "CD001"u8) ? Other("an ISO 9660 image")
        : At(sample, 512, "EFI PART"u8) ? Other("a raw disk image with a GPT partition table")
        : At(sample, 1080, [0x53, 0xEF]) ? Other("a raw ext file system image")
        : sample.StartsWith("XFSB"u8) ? Other("a raw XFS file system image")
        : sample.StartsWith("sqsh"u8) ? Other("a big-endian squashfs image")
        : null;

    private static ImageContent? Archive(ReadOnlySpan<byte> sample) =>
        TarHeader.HasValidChecksum(sample) ? new(ImageContentKind.Tar, "tar")
        : At(sample, 257, "ustar"u8) ? Other("a tar archive whose first header is damaged")
        : sample.StartsWith("PK\x03\x04"u8) ? Other("a zip archive")
        : At(sample, 0, [(byte)'7', (byte)'z', 0xBC, 0xAF]) ? Other("a 7z archive")
        : sample.StartsWith("!<arch>"u8) ? Other("an ar archive or Debian package")
        : sample.StartsWith("070701"u8) ? Other("a cpio archive")
        : At(sample, 0, [0x7F, (byte)'E', (byte)'L', (byte)'F']) ? Other("an ELF program")
        : At(sample, 510, [0x55, 0xAA]) ? Other("a raw disk image with a boot sector")
        : sample.Length >= TarHeader.Size && !sample.ContainsAnyExcept((byte)0) ? Other("a file of zeros or an archive without members")
        : null;

    private static ImageContent? Text(ReadOnlySpan<byte> sample)
    {
        var start = Encoding.Latin1.GetString(sample[..Math.Min(sample.Length, 512)]).TrimStart().ToUpperInvariant();
        return start.StartsWith("<!DOCTYPE HTML", StringComparison.Ordinal) || start.StartsWith("<HTML", StringComparison.Ordinal) ? Other("an HTML page")
            : start.StartsWith("<?XML", StringComparison.Ordinal) ? Other("an XML document")
            : start.StartsWith('{') || start.StartsWith('[') ? Other("a JSON document")
            : start.StartsWith("#!", StringComparison.Ordinal) ? Other("a script")
            : null;
    }

    private static ImageContent Unknown(ReadOnlySpan<byte> sample) =>
        Other($"data of an unknown kind (it begins with {Convert.ToHexStringLower(sample[..Math.Min(sample.Length, 8)])})");

    private static ImageContent Other(string name) => new(ImageContentKind.Other, name);

    private static bool At(ReadOnlySpan<byte> sample, int offset, ReadOnlySpan<byte> mark) =>
        sample.Length >= offset + mark.Length && sample.Slice(offset, mark.Length).SequenceEqual(mark);
}
