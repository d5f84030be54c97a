using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Instances;

/// <summary>Failures as faults of an instance (nova/compute/utils.py, add_instance_fault_from_exc).</summary>
internal static class InstanceFaults
{
    /// <summary>Details go along only with code 500, as in Nova: the other codes speak for themselves.</summary>
    internal static InstanceFault From(Exception exception, string instanceUuid, string host)
    {
        var code = FaultText.Code(exception);
        var fault = NovaObject.Create<InstanceFault>();
        fault.Host = host;
        fault.InstanceUuid = instanceUuid;
        fault.Code = code;
        fault.Message = FaultText.ShortMessage(exception);
        fault.Details = code == 500 ? FaultText.Details(exception) : "";
        return fault;
    }
}
