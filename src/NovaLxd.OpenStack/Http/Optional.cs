using Newtonsoft.Json;

namespace NovaLxd.OpenStack.Http;

internal interface IOptional
{
    bool IsSet { get; }
    object? Boxed { get; }
}

/// <summary>
/// A field of a change: left out of the request unless it was set, and sent as null when it was set to null.
/// Neutron tells the two apart: <c>binding:host_id: null</c> unbinds a port, its absence keeps the binding.
/// </summary>
[JsonConverter(typeof(OptionalConverter))]
public readonly record struct Optional<T> : IOptional
{
    public Optional(T value)
    {
        Value = value;
        IsSet = true;
    }

    public bool IsSet { get; }

    public T Value { get; }

    object? IOptional.Boxed => Value;

    public static implicit operator Optional<T>(T value) => new(value);
}

internal sealed class OptionalConverter : JsonConverter
{
    public override bool CanConvert(Type objectType) => typeof(IOptional).IsAssignableFrom(objectType);

    public override void WriteJson(JsonWriter writer, object? value, JsonSerializer serializer) =>
        serializer.Serialize(writer, (value as IOptional)?.Boxed);

    public override object? ReadJson(JsonReader reader, Type objectType, object? existingValue, JsonSerializer serializer) =>
        Activator.CreateInstance(objectType, serializer.Deserialize(reader, objectType.GetGenericArguments()[0]));
}
