using Newtonsoft.Json.Linq;

namespace NovaLxd.Messaging.Wire;

/// <summary>Hides secrets in what is logged (as oslo.utils <c>mask_dict_password</c>): the value of every key that sounds like one.</summary>
internal static class SecretMask
{
    private static readonly string[] Telling =
    [
        "password", "passphrase", "adminpass", "admin_pass", "new_pass", "token", "secret", "private_key", "encrypted_key", "user_data",
    ];

    /// <summary>A copy with the secrets replaced by <c>***</c>.</summary>
    public static JToken Apply(JToken token)
    {
        var copy = token.DeepClone();
        Mask(copy);
        return copy;
    }

    private static bool IsSecret(string name) => Telling.Any(word => name.Contains(word, StringComparison.OrdinalIgnoreCase));

    private static void Mask(JToken token)
    {
        if (token is JObject map)
        {
            foreach (var property in map.Properties())
            {
                if (property.Value is JValue { Type: not JTokenType.Null } && IsSecret(property.Name))
                {
                    property.Value = "***";
                }
                else
                {
                    Mask(property.Value);
                }
            }
        }
        else if (token is JArray list)
        {
            foreach (var item in list)
            {
                Mask(item);
            }
        }
    }
}
