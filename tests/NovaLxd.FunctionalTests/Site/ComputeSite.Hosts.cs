using NovaLxd.TestCloud.RabbitMq;

namespace NovaLxd.FunctionalTests.Site;

internal sealed partial class ComputeSite
{
    /// <summary>Whether the control plane is another site's.</summary>
    private bool _guest;

    /// <summary>Another host of the same cloud, at another address of this machine; its service is not started. To be disposed of before this one.</summary>
    public ComputeSite MakeBeside(RabbitMqFixture broker, IEnumerable<string> settings)
    {
        var mark = $"nlf{Guid.NewGuid().ToString("N")[..6]}";
        Plane.Cloud.Neutron.AddHost(mark);
        return new ComputeSite(mark, Plane, broker, settings, null) { _guest = true };
    }
}
