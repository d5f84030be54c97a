using System.Globalization;

namespace NovaLxd.Objects;

/// <summary>Times as versioned objects write them: UTC, whole seconds, <c>2026-11-24T03:07:24Z</c> (oslo.versionedobjects, fields.DateTime).</summary>
internal static class WireTime
{
    internal static string Format(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>Any ISO form, with or without fraction and zone; without a zone it is UTC.</summary>
    internal static DateTimeOffset Parse(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
}
