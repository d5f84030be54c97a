using System.Text.Json;
using System.Text.Json.Serialization;
using NovaLxd.Virt;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Supervisor;

/// <summary>What is kept of a container in the runtime directory, so that a successor finds it.</summary>
internal sealed record GuestRecord
{
    public required LaunchSpec Spec { get; init; }

    public ContainerState State { get; init; }

    /// <summary>Init; null while none runs.</summary>
    public ProcessIdentity? Init { get; init; }

    public DateTimeOffset StartedAt { get; init; }

    public string? LastExit { get; init; }

    /// <summary>Whether somebody has been told of the end.</summary>
    public bool ExitReported { get; init; }

    /// <summary>/proc/sys/kernel/random/boot_id: after another boot nothing of it is true.</summary>
    public string BootId { get; init; } = "";
}

/// <summary>One file per container below <c>containers</c>, replaced as a whole. The folder is expected to be on a tmpfs, so nothing is synchronised.</summary>
internal sealed class GuestRecords(string directory)
{
    private static readonly string BootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    public void Save(GuestRecord record)
    {
        Directory.CreateDirectory(directory);
        var path = PathOf(record.Spec.Id);
        var temporary = path + ".new";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(record with { BootId = BootId }, RecordJson.Default.GuestRecord));
        File.Move(temporary, path, overwrite: true);
    }

    public void Delete(Guid id) => File.Delete(PathOf(id));

    /// <summary>The records of this boot; those of an earlier one are deleted, and so is what cannot be read, with a word about it.</summary>
    public IReadOnlyList<GuestRecord> LoadAll(Log log)
    {
        var records = new List<GuestRecord>();
        Directory.CreateDirectory(directory);
        foreach (var path in Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal).ToArray())
        {
            try
            {
                var record = path.EndsWith(".json", StringComparison.Ordinal) ? JsonSerializer.Deserialize(File.ReadAllBytes(path), RecordJson.Default.GuestRecord) : null;
                if (record?.BootId == BootId)
                {
                    records.Add(record);
                    continue;
                }
            }
            catch (JsonException e)
            {
                log.Error($"The record {path} cannot be read and is dropped: {e.Message}");
            }

            File.Delete(path);
        }

        return records;
    }

    private string PathOf(Guid id) => Path.Combine(directory, $"{id}.json");
}

[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
[JsonSerializable(typeof(GuestRecord))]
[JsonSerializable(typeof(Handover))]
internal sealed partial class RecordJson : JsonSerializerContext;
