using System.Text.Json;
using System.Text.Json.Serialization;

namespace NovaLxd.Virt.Engine;

/// <summary>The filter as data (etc/novalxd/seccomp.json): which system calls are refused; all others are allowed.</summary>
internal sealed record SeccompRules(IReadOnlyList<SeccompRule> Deny)
{
    /// <exception cref="InvalidDataException">Not such a file; says where.</exception>
    public static SeccompRules Parse(Stream json, string source)
    {
        try
        {
            return JsonSerializer.Deserialize(json, SeccompJson.Default.SeccompRules)
                ?? throw new InvalidDataException($"{source} holds no rules.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{source} is not a list of system call rules: {e.Message}", e);
        }
    }
}

/// <param name="Why">For the reader of the file.</param>
/// <param name="Errno">What the refused call answers: "EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT".</param>
/// <param name="Names">System calls by name; those an architecture does not have count for the others.</param>
/// <param name="Argument">Refused only with such an argument; null: always.</param>
/// <param name="Unless">"nesting": not refused in containers made for containers inside.</param>
internal sealed record SeccompRule(string Why, string Errno, IReadOnlyList<string> Names, SeccompArgument? Argument = null, string? Unless = null);

/// <summary>Argument number <paramref name="Index"/> (from 0), masked, equals the value.</summary>
internal sealed record SeccompArgument(uint Index, ulong Mask, ulong Value);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(SeccompRules))]
internal sealed partial class SeccompJson : JsonSerializerContext;
