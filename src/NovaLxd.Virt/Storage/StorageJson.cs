using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Storage;

/// <summary>What is kept beside an unpacked image (info.json).</summary>
internal sealed record ImageRecord(string Key, string Format, long UnpackedBytes, DateTimeOffset ImportedAt);

/// <summary>What is kept beside a root file system (rootfs.json). Its presence says that the root is complete.</summary>
/// <param name="DiskCount">How many further disks it has; the size of each is its own.</param>
internal sealed record RootfsRecord(Guid Id, string ImageKey, long? SizeBytes, uint? IdMapBase, DateTimeOffset CreatedAt, int DiskCount = 0);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(ImageRecord))]
[JsonSerializable(typeof(RootfsRecord))]
internal sealed partial class StorageJson : JsonSerializerContext
{
    /// <summary>Null when the file is missing or was cut short by a crash.</summary>
    public static T? Read<T>(string path, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Writes beside and renames: a reader sees all of it or nothing.</summary>
    public static void Write<T>(string folder, string name, T value, JsonTypeInfo<T> type)
    {
        using var directory = DirectoryHandle.Open(folder);
        var (final, draft) = (Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(name + ".new"));
        if (directory.Stat(draft) is not null)
        {
            directory.Unlink(draft);
        }

        using (var file = directory.CreateFile(draft, 0x180))
        {
            FileData.Write(file, JsonSerializer.SerializeToUtf8Bytes(value, type), 0);
        }

        directory.Rename(draft, directory, final);
    }
}
