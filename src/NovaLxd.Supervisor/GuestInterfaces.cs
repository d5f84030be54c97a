using NovaLxd.Virt;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Network;

namespace NovaLxd.Supervisor;

/// <content>Interfaces that a guest is given and loses while it runs.</content>
internal sealed partial class Guest
{
    private static readonly TimeSpan LaunchCheckInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// Moves it in, then keeps it: a supervisor that dies between leaves a record that knows less than there is, and is asked again. While the guest is being
    /// launched again its interfaces are in two hands, and this one waits.
    /// </summary>
    public void AttachNic(ContainerNic nic, Action<Exception?> done)
    {
        if (_attempt is not null)
        {
            _context.Loop.After(LaunchCheckInterval, () => AttachNic(nic, done));
            return;
        }

        if (_network is null || !(IsRunning || _rebooting))
        {
            done(new ContainerStateException($"{Spec.Name} does not run and cannot be given an interface."));
            return;
        }

        try
        {
            NicMover.EnsureIn(nic, _network);
            KeepNics([.. Spec.Nics.Where(other => other.PortId != nic.PortId), nic]);
            _context.Log.Info($"{Spec.Name}: {nic.GuestName} ({nic.HostDevice}) attached");
            done(null);
        }
        catch (KernelException e) when (e.Errno == Errno.EEXIST)
        {
            // The kernel moves first and names afterwards: it is inside, under the name by which it waited.
            LaunchAttempt.BringHome(Spec with { Nics = [nic] }, _network, _context.Log);
            done(new ContainerStateException(
                $"{Spec.Name} has an interface {nic.GuestName} already, which its guest has made: rename or delete it there, and attach again."));
        }
        catch (Exception e) when (e is KernelException or IOException)
        {
            done(e);
        }
    }

    /// <summary>The interface itself goes with the host's end, which is the service's to delete.</summary>
    public void DetachNic(Guid port)
    {
        if (Spec.Nics.FirstOrDefault(nic => nic.PortId == port) is { } leaving)
        {
            KeepNics([.. Spec.Nics.Where(nic => nic != leaving)]);
            _context.Log.Info($"{Spec.Name}: {leaving.GuestName} ({leaving.HostDevice}) detached");
        }
    }

    private void KeepNics(IReadOnlyList<ContainerNic> nics) => Save(Record with { Spec = Spec with { Nics = nics } });
}
