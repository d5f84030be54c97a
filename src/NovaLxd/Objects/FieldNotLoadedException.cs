namespace NovaLxd.Objects;

/// <summary>A field was read that the sender or the query did not include: a fault of the caller, who has to ask for it in <c>expected_attrs</c>.</summary>
internal sealed class FieldNotLoadedException(string objectName, string field)
    : InvalidOperationException($"{objectName}.{field} is not loaded; load it (expected_attrs) before it is used.")
{
    internal string ObjectName { get; } = objectName;

    internal string Field { get; } = field;
}
