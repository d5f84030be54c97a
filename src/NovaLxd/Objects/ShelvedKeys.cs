using System.Globalization;

namespace NovaLxd.Objects;

/// <summary>
/// What the system_metadata of a shelved instance keeps (nova/compute/manager.py:_shelve_instance): by it the API finds the image again, and deletes it with the
/// instance.
/// </summary>
internal static class ShelvedKeys
{
    private const string At = "shelved_at";
    private const string Image = "shelved_image_id";
    private const string Host = "shelved_host";

    /// <summary>As oslo's timeutils reads it: UTC, and always with a fraction.</summary>
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss.ffffff";

    internal static void Set(Instance instance, DateTimeOffset at, string imageId, string host)
    {
        instance.SystemMetadata[At] = at.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture);
        instance.SystemMetadata[Image] = imageId;
        instance.SystemMetadata[Host] = host;
    }

    /// <summary>Null: the instance is not shelved, or not as an image.</summary>
    internal static string? ImageOf(Instance instance) => instance.SystemMetadata.Find(Image);

    /// <summary>Null: it is not shelved, or nobody knows since when.</summary>
    internal static DateTimeOffset? TimeOf(Instance instance) => DateTimeOffset.TryParse(
        instance.SystemMetadata.Find(At), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at) ? at : null;

    internal static void Remove(Instance instance)
    {
        foreach (var key in (string[])[At, Image, Host])
        {
            instance.SystemMetadata.Remove(key);
        }
    }
}
