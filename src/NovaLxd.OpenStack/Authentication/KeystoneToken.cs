namespace NovaLxd.OpenStack.Authentication;

/// <summary>A token of our own and what came with it.</summary>
public sealed record KeystoneToken(string Value, DateTimeOffset ExpiresAt, DateTimeOffset IssuedAt, string? UserId, string? ProjectId, ServiceCatalog Catalog)
{
    /// <summary>Never prints the token.</summary>
    public override string ToString() => $"token of user {UserId} in project {ProjectId}, valid until {ExpiresAt:u}";
}
