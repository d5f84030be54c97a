namespace NovaLxd.TestCloud.Http;

/// <summary>Thrown by a fake's route to answer with an error in the real service's shape.</summary>
public sealed class ServiceFailureException(int status, string message, string code = "") : Exception(message)
{
    public int Status { get; } = status;

    /// <summary>Placement's code, Neutron's type.</summary>
    public string Code { get; } = code;
}
