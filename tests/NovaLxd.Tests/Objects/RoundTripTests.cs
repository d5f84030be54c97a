using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using NovaLxd.Objects;

namespace NovaLxd.Tests.Objects;

public sealed class RoundTripTests
{
    /// <summary>Stands for whatever kind an object is of: what every view has in common.</summary>
    private sealed class AnyObject(JObject primitive) : NovaObject(primitive);

    [Theory]
    [InlineData("zed")]
    [InlineData("2026.1")]
    public void EveryRecordedObjectGoesBackAsItCame(string release)
    {
        foreach (var line in Recorded.Lines($"objects/{release}.jsonl"))
        {
            Assert.Equal(line, Ascii(new AnyObject(WireJson.ParseObject(line)).ToPrimitive()));
        }
    }

    [Theory]
    [InlineData("zed", "2.7")]
    [InlineData("2026.1", "2.8")]
    public void AnInstanceKeepsItsSendersVersionAndUnknownFields(string release, string version)
    {
        var json = (JObject)Recorded.Object<Instance>(release).Primitive.DeepClone();
        json["nova_object.data"]!["field_of_the_future"] = new JObject { ["a"] = 1.50 };
        var text = json.ToString(Formatting.None);

        var instance = NovaObject.As<Instance>(WireJson.ParseObject(text));

        Assert.Equal(version, instance.KindVersion);
        Assert.Equal(text, instance.ToPrimitive().ToString(Formatting.None));
    }

    [Theory]
    [InlineData("zed")]
    [InlineData("2026.1")]
    public void EveryRecordedNetworkInfoGoesBackAsItCame(string release)
    {
        foreach (var line in Recorded.Lines($"objects/network-info-{release}.jsonl"))
        {
            Assert.Equal(line, NetworkInfo.Parse(line).Serialize());
        }
    }

    [Fact]
    public void ViewsNameOnlyFieldsThatTheObjectHas()
    {
        var known = (JObject)Recorded.Json("objects/fields-zed.json");
        var views = typeof(NovaObject).Assembly.GetTypes().Where(t => t is { IsAbstract: false, IsGenericType: false } && t.IsSubclassOf(typeof(NovaObject)));
        foreach (var type in views)
        {
            var name = (string)type.GetProperty("ObjectName")!.GetValue(null)!;
            Assert.Equal((string?)known[name]?["version"], Manifest.Zed[name]);
            var fields = known[name]!["fields"]!.Select(f => (string)f!).ToHashSet();
            var empty = new JObject
            {
                ["nova_object.name"] = name,
                ["nova_object.namespace"] = "nova",
                ["nova_object.version"] = "1.0",
                ["nova_object.data"] = new JObject(),
            };
            foreach (var property in type.GetProperties(System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.DeclaredOnly))
            {
                if (FieldRead(type, property, empty) is { } field)
                {
                    Assert.True(fields.Contains(field), $"{name}.{property.Name} reads {field}, which {name} does not have.");
                }
            }
        }
    }

    private static string? FieldRead(Type type, System.Reflection.PropertyInfo property, JObject empty)
    {
        try
        {
            property.GetValue(Activator.CreateInstance(type, empty));
            return null;
        }
        catch (System.Reflection.TargetInvocationException e) when (e.InnerException is FieldNotLoadedException missing)
        {
            return missing.Field;
        }
    }

    /// <summary>Python escapes what is not ASCII; it is the same JSON.</summary>
    private static string Ascii(JToken token) => JsonConvert.SerializeObject(token, new JsonSerializerSettings { StringEscapeHandling = StringEscapeHandling.EscapeNonAscii });
}
