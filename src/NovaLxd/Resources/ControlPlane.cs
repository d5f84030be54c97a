namespace NovaLxd.Resources;

/// <summary>Which release the control plane is of, as its conductors' service version says (nova/objects/service.py; contract: releases).</summary>
internal sealed class ControlPlane
{
    /// <summary>The newest service version whose promises we keep.</summary>
    public const int NewestKnown = 73;

    private const int Oldest = 61;

    /// <summary>From this service version of the control plane on, the oldest that it takes of a compute service beside it. 66 is 2023.1, which takes 61,
    /// and 2023.2, which takes 66: the number does not tell them apart, and the milder is right for both.</summary>
    private static readonly (int Plane, int Compute)[] OldestComputes = [(73, 72), (70, 68), (67, 66), (Oldest, 61)];

    private volatile int _serviceVersion = 64;

    /// <summary>The version we report: the control plane's own. More than it knows breaks its callers, less than it accepts keeps it from starting.</summary>
    public int ServiceVersion => _serviceVersion;

    /// <summary>Whether rows of instances, nodes, services and migrations name each other by id: 2023.2 and later, told by 2024.1's number because 2023.2 has
    /// that of 2023.1.</summary>
    public bool HasComputeIds => _serviceVersion >= 67;

    /// <summary>Whether ports of an offloaded instance leave its host: 2023.1 and later.</summary>
    public bool UnbindsShelvedPorts => _serviceVersion >= 66;

    /// <summary>The lowest service version that the control plane supports of any compute service (its OLDEST_SUPPORTED_SERVICE_VERSION).</summary>
    public int OldestCompute => OldestComputes.First(o => _serviceVersion >= o.Plane).Compute;

    /// <param name="conductorVersion">The smallest service version of its conductors; 0: none has reported yet, which is taken for the oldest we know.</param>
    public void Learn(int conductorVersion)
    {
        if (conductorVersion > 0)
        {
            _serviceVersion = Math.Clamp(conductorVersion, Oldest, NewestKnown);
        }
    }
}
