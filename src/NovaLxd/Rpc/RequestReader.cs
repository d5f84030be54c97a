using System.Reflection;
using System.Text.RegularExpressions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Rpc;

/// <summary>
/// Reads a request record from the arguments of a message. The parameters of the record's constructor are Nova's argument names in our spelling
/// (<c>cleanShutdown</c> is <c>clean_shutdown</c>). What is missing gets the parameter's default, or null where the type allows it; what the
/// record does not name is ignored, because newer callers send more.
/// </summary>
internal static partial class RequestReader
{
    /// <param name="args">By Nova's names.</param>
    /// <param name="strict">Refuse arguments the record does not name (for tests).</param>
    /// <exception cref="RequestFormatException">An argument is missing, null or of another kind; the message names it.</exception>
    internal static T Read<T>(JObject args, bool strict = false)
    {
        // A record's other constructor copies.
        var constructor = typeof(T).GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Single(c => c.GetParameters() is not [{ } only] || only.ParameterType != typeof(T));
        var parameters = constructor.GetParameters();
        var names = parameters.Select(p => WireName(p.Name!)).ToList();
        if (strict && args.Properties().FirstOrDefault(p => !names.Contains(p.Name)) is { } unknown)
        {
            throw new RequestFormatException($"{typeof(T).FullName} does not name the argument {unknown.Name}.");
        }

        var nullability = new NullabilityInfoContext();
        return (T)constructor.Invoke(parameters.Select((parameter, i) => Argument(parameter, names[i], args, nullability)).ToArray());
    }

    internal static string WireName(string name) => Humps().Replace(name, "_$1").TrimStart('_').ToLowerInvariant();

    private static object? Argument(ParameterInfo parameter, string name, JObject args, NullabilityInfoContext nullability)
    {
        var nullable = Nullable.GetUnderlyingType(parameter.ParameterType) is not null
            || (!parameter.ParameterType.IsValueType && nullability.Create(parameter).WriteState == NullabilityState.Nullable);
        if (!args.TryGetValue(name, out var value))
        {
            return parameter.HasDefaultValue ? parameter.DefaultValue
                : nullable ? null
                : throw new RequestFormatException($"Argument {name} is missing.");
        }

        if (value is JValue { Value: null })
        {
            // Callers send null for "nothing" where a default says what nothing is.
            return nullable ? null
                : parameter.HasDefaultValue ? parameter.DefaultValue
                : throw new RequestFormatException($"Argument {name} is null.");
        }

        try
        {
            return Convert(value, parameter.ParameterType);
        }
        catch (Exception e) when (e is JsonException or FormatException or ArgumentException or InvalidCastException)
        {
            throw new RequestFormatException($"Argument {name} is not what it should be: {e.Message}", e);
        }
    }

    private static object Convert(JToken value, Type type)
    {
        if (type.IsInstanceOfType(value))
        {
            return value.DeepClone();
        }

        if (type.IsSubclassOf(typeof(NovaObject)))
        {
            return Object(value, type);
        }

        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) && type.GetGenericArguments()[0] is var element
            && element.IsSubclassOf(typeof(NovaObject)))
        {
            return ObjectList(value, element);
        }

        return value.ToObject(type) ?? throw new FormatException("it is null");
    }

    /// <summary>Lists of objects come as plain arrays or as list objects, whichever the method's author liked.</summary>
    private static Array ObjectList(JToken value, Type element)
    {
        var items = value switch
        {
            JArray list => list,
            JObject listObject when listObject[NovaObject.DataKey]?["objects"] is JArray objects => objects,
            _ => throw new FormatException($"expected a list, found {value.Type}"),
        };
        var result = Array.CreateInstance(element, items.Count);
        for (var i = 0; i < items.Count; i++)
        {
            result.SetValue(Object(items[i], element), i);
        }

        return result;
    }

    private static object Object(JToken value, Type type)
    {
        if (value is not JObject primitive)
        {
            throw new FormatException($"expected an object, found {value.Type}");
        }

        var expected = (string)type.GetProperty("ObjectName", BindingFlags.Static | BindingFlags.Public)!.GetValue(null)!;
        var name = (string?)primitive[NovaObject.NameKey];
        if (name != expected)
        {
            throw new FormatException($"expected a {expected}, found {name ?? "plain JSON"}");
        }

        try
        {
            return Activator.CreateInstance(type, (JObject)primitive.DeepClone())!;
        }
        catch (TargetInvocationException e) when (e.InnerException is FormatException inner)
        {
            throw new FormatException(inner.Message, inner);
        }
    }

    [GeneratedRegex("([A-Z])")]
    private static partial Regex Humps();
}

/// <summary>A request cannot be read; the message names the argument.</summary>
internal sealed class RequestFormatException(string message, Exception? inner = null) : FormatException(message, inner);
