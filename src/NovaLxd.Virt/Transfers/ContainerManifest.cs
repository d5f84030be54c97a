using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace NovaLxd.Virt;

/// <summary>What a container is, told to the host it goes to.</summary>
public sealed record ContainerManifest
{
    /// <summary>Name of the part that holds the root file system, in the form that <see cref="Root"/> says.</summary>
    public const string RootPart = "root";

    /// <summary>Name of the part that holds the image below it, as a tar archive; only when the other host has no other way to it.</summary>
    public const string ImagePart = "image";

    /// <summary>Name of the part that holds the drive, as a tar archive; only when the container has one.</summary>
    public const string DrivePart = "drive";

    private const string DiskPrefix = "disk";

    public required ContainerSpec Spec { get; init; }

    public required RootForm Root { get; init; }

    /// <summary>The first host id of its files where it comes from; null: privileged.</summary>
    public uint? IdMapBase { get; init; }

    public required IReadOnlyList<TransferPart> Parts { get; init; }

    public TransferPart? Find(string part) => Parts.FirstOrDefault(p => p.Name == part);

    /// <summary>Name of the part that holds a further disk (<see cref="ContainerSpec.Disks"/>), an ext4 file system.</summary>
    public static string DiskPart(int number) => string.Create(CultureInfo.InvariantCulture, $"{DiskPrefix}{number}");

    /// <summary>The number of the disk that a part holds; null: it holds something else.</summary>
    public static int? DiskOf(string part) =>
        part.StartsWith(DiskPrefix, StringComparison.Ordinal) && int.TryParse(part.AsSpan(DiskPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && DiskPart(number) == part ? number : null;

    /// <summary>Whether both speak of the same container in the same state, with or without its image.</summary>
    public bool IsOfSame(ContainerManifest other) => WithoutImage().ToJson().AsSpan().SequenceEqual(other.WithoutImage().ToJson());

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, ContainerManifestJson.Default.ContainerManifest);

    /// <exception cref="TransferRefusedException">It is none.</exception>
    public static ContainerManifest FromJson(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, ContainerManifestJson.Default.ContainerManifest) ?? throw new TransferRefusedException("The manifest is empty.");
        }
        catch (JsonException e)
        {
            throw new TransferRefusedException($"The manifest cannot be read: {e.Message} Do both hosts run the same version?", e);
        }
    }

    private ContainerManifest WithoutImage() => this with { Parts = [.. Parts.Where(p => p.Name != ImagePart)] };
}

public enum RootForm
{
    /// <summary>An ext4 file system of the size that the container's root disk has.</summary>
    Disk,

    /// <summary>A tar archive of the writable layer, for a root disk without limit.</summary>
    Layer,
}

/// <summary>A file that travels.</summary>
/// <param name="Name">One of the fixed names above; never a path.</param>
/// <param name="Size">Its length with its holes.</param>
/// <param name="DataBytes">What it takes on a disk.</param>
public sealed record TransferPart(string Name, long Size, long DataBytes);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ContainerManifest))]
internal sealed partial class ContainerManifestJson : JsonSerializerContext;
