using System.Globalization;
using System.IO.Compression;
using System.Text;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Tests.Storage;

/// <summary>Writes tar byte by byte, so that a test can make archives no tool would: any name, any type, any number, broken or whole.</summary>
internal sealed class TarBuilder
{
    private readonly MemoryStream _output = new();

    public const char FileType = '0';
    public const char HardLinkType = '1';
    public const char SymbolicLinkType = '2';
    public const char CharacterDeviceType = '3';
    public const char BlockDeviceType = '4';
    public const char DirectoryType = '5';
    public const char FifoType = '6';

    /// <summary>The least that passes for a root file system.</summary>
    public static TarBuilder Root() => new TarBuilder().Directory("./").Directory("bin/").File("bin/sh", "#!init\n", 0b111_101_101).Directory("etc/");

    public TarBuilder Directory(string path, int mode = 0b111_101_101, long uid = 0, long gid = 0) => Member(path, DirectoryType, mode: mode, uid: uid, gid: gid);

    public TarBuilder File(string path, string content, int mode = 0b110_100_100, long uid = 0, long gid = 0) =>
        Member(path, FileType, Encoding.UTF8.GetBytes(content), mode, uid, gid);

    public TarBuilder SymbolicLink(string path, string target) => Member(path, SymbolicLinkType, link: target);

    public TarBuilder HardLink(string path, string target) => Member(path, HardLinkType, link: target);

    public TarBuilder Member(
        string path, char type, byte[]? content = null, int mode = 0b110_100_100, long uid = 0, long gid = 0, string link = "", long? size = null, Action<byte[]>? change = null)
    {
        content ??= [];
        var header = new byte[512];
        Put(header, 0, 100, Encoding.Latin1.GetBytes(path));
        Octal(header, 100, 8, mode);
        Octal(header, 108, 8, uid);
        Octal(header, 116, 8, gid);
        Octal(header, 124, 12, size ?? content.Length);
        Octal(header, 136, 12, 1_700_000_000);
        header[156] = (byte)type;
        Put(header, 157, 100, Encoding.Latin1.GetBytes(link));
        Put(header, 257, 8, "ustar\000"u8);
        Octal(header, 329, 8, type is CharacterDeviceType or BlockDeviceType ? 1 : 0);
        Octal(header, 337, 8, type is CharacterDeviceType or BlockDeviceType ? 3 : 0);
        change?.Invoke(header);
        Checksum(header);
        return Raw(header).Raw(content).Raw(new byte[(512 - (content.Length % 512)) % 512]);
    }

    /// <summary>A pax extended header with these records for the member that follows.</summary>
    public TarBuilder Pax(params (string Key, byte[] Value)[] records) => Extended('x', records);

    public TarBuilder Pax(string key, string value) => Pax((key, Encoding.UTF8.GetBytes(value)));

    public TarBuilder Extended(char type, params (string Key, byte[] Value)[] records)
    {
        var content = new MemoryStream();
        foreach (var (key, value) in records)
        {
            // "length key=value\n", where length counts its own digits.
            var rest = key.Length + value.Length + 3;
            var length = rest + rest.ToString(CultureInfo.InvariantCulture).Length;
            length = rest + length.ToString(CultureInfo.InvariantCulture).Length;
            content.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{length} {key}=")));
            content.Write(value);
            content.WriteByte((byte)'\n');
        }

        return Member("pax", type, content.ToArray());
    }

    public TarBuilder Raw(ReadOnlySpan<byte> bytes)
    {
        _output.Write(bytes);
        return this;
    }

    /// <summary>The archive with its end mark.</summary>
    public byte[] Build() => [.. _output.ToArray(), .. new byte[1024]];

    public byte[] BuildWithoutEnd() => _output.ToArray();

    public static byte[] Gzip(byte[] data)
    {
        var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest))
        {
            gzip.Write(data);
        }

        return output.ToArray();
    }

    public static byte[] Zstd(byte[] data)
    {
        using var compressor = new ZstdSharp.Compressor(1);
        return compressor.Wrap(data).ToArray();
    }

    /// <summary>By xz(1), package xz-utils.</summary>
    public static Task<byte[]> XzAsync(byte[] data) => ByProgramAsync(data, file => ["xz", "-1", "-k", file], ".xz");

    /// <summary>By mksquashfs(1) out of a tar, package squashfs-tools.</summary>
    public static Task<byte[]> SquashfsAsync(byte[] tar, params string[] options) =>
        ByProgramAsync(tar, file => ["sh", "-c", $"mksquashfs - {file}.sqfs -tar -quiet -no-progress {string.Join(' ', options)} <{file} >/dev/null"], ".sqfs");

    public static void Checksum(byte[] header)
    {
        header.AsSpan(148, 8).Fill((byte)' ');
        Octal(header, 148, 7, header.Sum(b => b));
    }

    public static void Octal(byte[] header, int offset, int length, long value) =>
        Put(header, offset, length, Encoding.ASCII.GetBytes(Convert.ToString(value, 8).PadLeft(length - 1, '0') + '\0'));

    private static void Put(byte[] header, int offset, int length, ReadOnlySpan<byte> value) => value[..Math.Min(length, value.Length)].CopyTo(header.AsSpan(offset));

    private static async Task<byte[]> ByProgramAsync(byte[] data, Func<string, string[]> command, string suffix)
    {
        var file = Path.GetTempFileName();
        try
        {
            await System.IO.File.WriteAllBytesAsync(file, data);
            await CommandRunner.RunAsync(command(file), CancellationToken.None);
            return await System.IO.File.ReadAllBytesAsync(file + suffix);
        }
        finally
        {
            System.IO.File.Delete(file);
            System.IO.File.Delete(file + suffix);
        }
    }
}
