using NovaLxd.Virt;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>Answers the service's requests; keeps the guests.</summary>
internal sealed class Supervisor : IDisposable
{
    private readonly SupervisorContext _context;
    private readonly ServiceManager _manager;
    private readonly string _runtimeDirectory;
    private readonly Dictionary<Guid, Guest> _guests = [];
    private readonly Dictionary<(ClientConnection, long), ExecSession> _execs = [];
    private readonly List<ClientConnection> _clients = [];
    private readonly Action<Handover> _replace;
    private Guid _instance = Guid.NewGuid();
    private FileDescriptor? _listener;
    private EventLoop.Registration? _accept;
    private bool _upgradeWanted;

    /// <param name="replace">Executes the program file anew; returns only when that failed.</param>
    public Supervisor(SupervisorContext context, ServiceManager manager, string runtimeDirectory, Action<Handover> replace)
    {
        _manager = manager;
        _runtimeDirectory = runtimeDirectory;
        _replace = replace;
        _context = context with { Publish = Publish, KeepTerminal = KeepTerminal, ForgetTerminal = manager.Drop };
    }

    /// <summary>Finds the guests of whoever was here before, then listens.</summary>
    public void Start(Handover? handover, IReadOnlyDictionary<Guid, FileDescriptor> storedTerminals)
    {
        _instance = handover?.Instance ?? _instance;
        foreach (var record in _context.Records.LoadAll(_context.Log))
        {
            var guest = new Guest(_context, record);
            _guests.Add(record.Spec.Id, guest);
            var kept = handover?.Guests.FirstOrDefault(kept => kept.Id == record.Spec.Id);
            guest.Adopt(
                Handover.Own(kept?.Pidfd ?? -1),
                Handover.Own(kept?.Network ?? -1),
                Handover.Own(kept?.Terminal ?? -1) ?? storedTerminals.GetValueOrDefault(record.Spec.Id));
        }

        _listener = Handover.Own(handover?.Listener ?? -1)
            ?? SysSocket.ListenUnix(Path.Combine(_runtimeDirectory, SupervisorProtocol.SocketName), SysSocket.SOCK_SEQPACKET);
        _accept = _context.Loop.Watch(_listener, SysEpoll.EPOLLIN, Accept);
        _manager.Ready();
        _context.Log.Info($"ready, {_guests.Values.Count(guest => guest.IsRunning)} containers run{(handover is null ? "" : ", upgraded in place")}");
    }

    /// <summary>As soon as no launch is under way.</summary>
    public void RequestUpgrade()
    {
        _upgradeWanted = true;
        if (_guests.Values.Any(guest => guest.IsLaunching))
        {
            _context.Loop.After(TimeSpan.FromMilliseconds(20), RequestUpgrade);
            return;
        }

        if (!_upgradeWanted)
        {
            return;
        }

        _upgradeWanted = false;
        var handover = new Handover(
            _instance,
            _listener!.Number,
            [.. _guests.Values.Where(guest => guest.IsRunning).Select(guest => new Handover.GuestDescriptors(
                guest.Spec.Id, guest.Pidfd?.Number ?? -1, guest.Network?.Number ?? -1, guest.Terminal?.Number ?? -1))]);
        foreach (var session in _execs.Values)
        {
            session.Kill(); // Whoever waits for them loses the connection.
        }

        _replace(handover);
    }

    public void Dispose()
    {
        _accept?.Dispose();
        _listener?.Dispose();
        foreach (var client in _clients.ToArray())
        {
            client.Dispose();
        }

        foreach (var guest in _guests.Values)
        {
            guest.Dispose();
        }
    }

    private void Accept()
    {
        while (SysSocket.Accept(_listener!) is { } socket)
        {
            var peer = SysSocket.PeerCredentials(socket);
            if (peer.uid != 0 && peer.uid != Unistd.geteuid())
            {
                _context.Log.Warning($"refused a connection from process {peer.pid} of user {peer.uid}");
                socket.Dispose();
                continue;
            }

            _clients.Add(new ClientConnection(_context.Loop, socket, Handle, Closed));
        }
    }

    private void Closed(ClientConnection client)
    {
        _clients.Remove(client);
        foreach (var (key, session) in _execs.Where(exec => exec.Key.Item1 == client).ToArray())
        {
            session.Kill();
        }
    }

    private void Handle(ClientConnection client, SupervisorRequest request, List<FileDescriptor> descriptors)
    {
        try
        {
            Dispatch(client, request, descriptors);
        }
        catch (Exception e) when (e is VirtException or KernelException or IOException or InvalidDataException)
        {
            Answer(client, request, e);
        }
        finally
        {
            descriptors.ForEach(descriptor => descriptor.Dispose());
        }
    }

    private void Dispatch(ClientConnection client, SupervisorRequest request, List<FileDescriptor> descriptors)
    {
        switch (request.Call)
        {
            case SupervisorCall.Hello:
                client.Send(new SupervisorMessage { Sequence = request.Sequence, Version = SupervisorProtocol.Version, Instance = _instance, Calls = Enum.GetNames<SupervisorCall>() });
                break;
            case SupervisorCall.KeepTerminal:
                TakeTerminal(request.Id, descriptors);
                Answer(client, request, null);
                break;
            case SupervisorCall.Subscribe:
                Subscribe(client, request);
                break;
            case SupervisorCall.Launch or SupervisorCall.LaunchWithDrive or SupervisorCall.LaunchWithDisks:
                Launch(client, request);
                break;
            case SupervisorCall.Stop or SupervisorCall.Reboot:
                End(client, request);
                break;
            case SupervisorCall.Freeze:
                Find(request.Id).Freeze(failure => Answer(client, request, failure));
                break;
            case SupervisorCall.Unfreeze:
                Find(request.Id).Unfreeze(failure => Answer(client, request, failure));
                break;
            case SupervisorCall.AttachNic:
                Find(request.Id).AttachNic(
                    request.Nic ?? throw new InvalidDataException("An attach needs an interface."), failure => Answer(client, request, failure));
                break;
            case SupervisorCall.DetachNic:
                _guests.GetValueOrDefault(request.Id)?.DetachNic(request.Port);
                Answer(client, request, null);
                break;
            case SupervisorCall.Forget:
                Forget(request.Id);
                Answer(client, request, null);
                break;
            case SupervisorCall.List:
                List(client, request);
                break;
            case SupervisorCall.Exec:
                Exec(client, request, descriptors);
                break;
            case SupervisorCall.CancelExec:
                _execs.GetValueOrDefault((client, request.Target))?.Kill();
                Answer(client, request, null);
                break;
            case SupervisorCall.Upgrade:
                Answer(client, request, null);
                RequestUpgrade();
                break;
            default:
                throw new InvalidDataException($"The supervisor does not know the request {request.Call}: upgrade it.");
        }
    }

    private void Launch(ClientConnection client, SupervisorRequest request)
    {
        var spec = request.Spec ?? throw new InvalidDataException("A launch needs a spec.");
        if (!_guests.TryGetValue(spec.Id, out var guest))
        {
            guest = new Guest(_context, new GuestRecord { Spec = spec, State = ContainerState.Stopped });
            _guests.Add(spec.Id, guest);
        }

        guest.Launch(spec, failure =>
        {
            if (!guest.IsKnown)
            {
                _guests.Remove(spec.Id);
            }

            Answer(client, request, failure, new SupervisorMessage { Container = guest.Describe() });
        });
    }

    private void End(ClientConnection client, SupervisorRequest request) =>
        Find(request.Id).End(
            request.Call == SupervisorCall.Reboot,
            request.Grace,
            (willingly, failure) => Answer(client, request, failure, new SupervisorMessage { Willingly = willingly }));

    private void Forget(Guid id)
    {
        if (_guests.TryGetValue(id, out var guest))
        {
            guest.Forget();
            _guests.Remove(id);
        }
    }

    private void List(ClientConnection client, SupervisorRequest request)
    {
        foreach (var guest in _guests.Values.Where(guest => guest.IsKnown && (request.Id == default || guest.Spec.Id == request.Id)))
        {
            client.Send(new SupervisorMessage { Sequence = request.Sequence, Container = guest.Describe(), Spec = guest.Spec, Last = false });
        }

        Answer(client, request, null);
    }

    private void Exec(ClientConnection client, SupervisorRequest request, List<FileDescriptor> streams)
    {
        var guest = Find(request.Id);
        if (request.Exec is not { Command.Count: > 0 } || streams.Count != 3)
        {
            throw new InvalidDataException("An exec needs a command and three descriptors.");
        }

        if (guest.Record.State != ContainerState.Running || guest.Pidfd is null)
        {
            throw new ContainerStateException($"{guest.Spec.Name} does not run{(guest.Record.State == ContainerState.Frozen ? " while it is frozen" : "")}: nothing can be executed in it.");
        }

        var key = (client, request.Sequence);
        _execs[key] = ExecSession.Start(_context, guest, request.Exec, streams, (exitCode, failure) =>
        {
            _execs.Remove(key);
            Answer(client, request, failure, new SupervisorMessage { ExitCode = exitCode });
        });
    }

    private void Subscribe(ClientConnection client, SupervisorRequest request)
    {
        client.Subscribed = true;
        foreach (var guest in _guests.Values)
        {
            if (guest.Terminal is not null)
            {
                client.Send(new SupervisorMessage { Terminal = guest.Spec.Id }, guest.Terminal);
            }

            guest.ReportExit();
        }

        Answer(client, request, null);
    }

    private void TakeTerminal(Guid id, List<FileDescriptor> descriptors)
    {
        if (descriptors.Count == 1 && _guests.TryGetValue(id, out var guest))
        {
            guest.UseTerminal(descriptors[0].Duplicate());
            _manager.Keep(id, descriptors[0]);
        }
    }

    private Guest Find(Guid id) =>
        _guests.TryGetValue(id, out var guest) ? guest : throw new ContainerNotFoundException(id);

    private static void Answer(ClientConnection client, SupervisorRequest request, Exception? failure, SupervisorMessage? answer = null) =>
        client.Send(failure is null
            ? (answer ?? new SupervisorMessage()) with { Sequence = request.Sequence }
            : new SupervisorMessage { Sequence = request.Sequence, Failure = SupervisorFailure.Of(failure) });

    private bool Publish(ContainerEvent what)
    {
        var heard = false;
        foreach (var client in _clients.Where(client => client.Subscribed).ToArray())
        {
            client.Send(new SupervisorMessage { Event = what });
            heard |= client.IsOpen;
        }

        return heard;
    }

    private void KeepTerminal(Guid id, FileDescriptor terminal)
    {
        _manager.Keep(id, terminal);
        foreach (var client in _clients.Where(client => client.Subscribed).ToArray())
        {
            client.Send(new SupervisorMessage { Terminal = id }, terminal);
        }
    }
}
