using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Conductor;

/// <summary>What the conductor answers instead of a result: a Python exception.</summary>
public sealed class ConductorFailureException(string module, string className, string message, JObject kwargs) : Exception($"{className}: {message}")
{
    public string Module { get; } = module;

    public string Class { get; } = className;

    /// <summary>The text without the class.</summary>
    public string Text { get; } = message;

    public JObject Kwargs { get; } = kwargs;

    public static ConductorFailureException Nova(string className, string message, int code = 500, JObject? kwargs = null)
    {
        kwargs ??= [];
        kwargs["code"] = code;
        return new("nova.exception", className, message, kwargs);
    }
}
