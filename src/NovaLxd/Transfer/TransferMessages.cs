using System.Text.Json.Serialization;

namespace NovaLxd.Transfer;

/// <summary>How far an arrival is.</summary>
/// <param name="Positions">Of each part: all its data before this offset are here.</param>
/// <param name="ImageMissing">Whether the image below the container has to come along.</param>
/// <param name="Complete">Whether it is a container by now.</param>
internal sealed record ArrivalStatus(IReadOnlyDictionary<string, long> Positions, bool ImageMissing, bool Complete);

/// <summary>All has been sent.</summary>
/// <param name="Hashes">Of each part (<see cref="Virt.TransferHash"/>).</param>
internal sealed record ArrivalCompletion(IReadOnlyDictionary<string, string> Hashes);

internal sealed record TransferError(string Error);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ArrivalStatus))]
[JsonSerializable(typeof(ArrivalCompletion))]
[JsonSerializable(typeof(TransferError))]
internal sealed partial class TransferJson : JsonSerializerContext;
