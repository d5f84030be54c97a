using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>
/// The supervisor as the service sees it: there whenever it is asked. Connects, starts one where none runs, connects again when it went away, and keeps the masters
/// of the consoles meanwhile, so that a supervisor may die without hanging up the guests' consoles.
/// </summary>
internal sealed class SupervisorClient(VirtOptions options, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(100);

    private readonly string _socketPath = Path.Combine(options.RuntimeDirectory, SupervisorProtocol.SocketName);
    private readonly SemaphoreSlim _connecting = new(1);
    private readonly ConcurrentDictionary<Guid, FileDescriptor> _terminals = new();
    private readonly Channel<ContainerEvent> _events = Channel.CreateUnbounded<ContainerEvent>();
    private readonly CancellationTokenSource _closing = new();
    private SupervisorConnection? _connection;
    private Task _keeping = Task.CompletedTask;

    /// <summary>Events in order, from the first connection on; for one reader.</summary>
    public ChannelReader<ContainerEvent> Events => _events.Reader;

    /// <exception cref="SupervisorException">None runs and none could be started.</exception>
    public async Task ConnectAsync(CancellationToken cancellationToken) => await GetConnectionAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Asks; when the supervisor goes away before it was asked, or meanwhile and <paramref name="repeatable"/> says so, asks its successor.</summary>
    /// <exception cref="SupervisorOutdatedException">It does not know the request.</exception>
    public async Task<SupervisorMessage> AskAsync(
        SupervisorRequest request,
        bool repeatable,
        CancellationToken cancellationToken,
        IReadOnlyList<FileDescriptor>? descriptors = null,
        Action<SupervisorMessage>? item = null,
        Action<long>? onSent = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            var connection = await GetConnectionAsync(cancellationToken).ConfigureAwait(false);
            if (!connection.Knows(request.Call))
            {
                throw new SupervisorOutdatedException(request.Call);
            }

            try
            {
                return await connection.AskAsync(request, descriptors ?? [], item, onSent, cancellationToken).ConfigureAwait(false);
            }
            catch (ConnectionLostException e) when ((repeatable || !e.WasSent) && attempt < 3)
            {
                logger.LogWarning("The supervisor went away during {Call}; its successor is asked", request.Call);
            }
            catch (ConnectionLostException e)
            {
                throw new SupervisorException($"The supervisor went away during {request.Call}; what became of it shows in the container's state.", e);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        _connection?.Dispose();
        await _keeping.ConfigureAwait(false);
        foreach (var terminal in _terminals.Values)
        {
            terminal.Dispose();
        }

        _events.Writer.TryComplete();
        _connecting.Dispose();
        _closing.Dispose();
    }

    private async Task<SupervisorConnection> GetConnectionAsync(CancellationToken cancellationToken)
    {
        if (_connection is { IsOpen: true } current)
        {
            return current;
        }

        await _connecting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_connection is { IsOpen: true } other)
            {
                return other;
            }

            ObjectDisposedException.ThrowIf(_closing.IsCancellationRequested, this);
            var connection = await ConnectAndGreetAsync(cancellationToken).ConfigureAwait(false);
            _connection = connection;
            _keeping = KeepAsync(connection);
            return connection;
        }
        finally
        {
            _connecting.Release();
        }
    }

    /// <summary>One that is just ending still takes connections for a moment: it hangs up, and its successor is asked.</summary>
    private async Task<SupervisorConnection> ConnectAndGreetAsync(CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        while (true)
        {
            var connection = await ConnectOrStartAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await GreetAsync(connection, cancellationToken).ConfigureAwait(false);
                return connection;
            }
            catch (ConnectionLostException e) when (time.GetElapsedTime(begun) > StartLimit)
            {
                throw new SupervisorException($"The supervisor hangs up whenever it is greeted. {SupervisorProcess.LastWords(options.RuntimeDirectory)}", e);
            }
            catch (ConnectionLostException)
            {
                await Task.Delay(RetryInterval, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task<SupervisorConnection> ConnectOrStartAsync(CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        var started = false;
        while (true)
        {
            try
            {
                return await SupervisorConnection.ConnectAsync(_socketPath, OnUnasked, cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException e) when (time.GetElapsedTime(begun) > StartLimit)
            {
                throw new SupervisorException(
                    $"No supervisor answers at {_socketPath} ({e.Message}). {SupervisorProcess.LastWords(options.RuntimeDirectory)}", e);
            }
            catch (SocketException)
            {
                // A moment for one that is being restarted by somebody else (systemd, its own upgrade).
                if (!started && time.GetElapsedTime(begun) >= RetryInterval)
                {
                    started = true;
                    logger.LogInformation("No supervisor answers at {Path}: starting one", _socketPath);
                    await SupervisorProcess.StartAsync(options.SupervisorPath, options.RuntimeDirectory, options.StateDirectory, cancellationToken).ConfigureAwait(false);
                }

                await Task.Delay(RetryInterval, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Version check, the consoles back, then events.</summary>
    private async Task GreetAsync(SupervisorConnection connection, CancellationToken cancellationToken)
    {
        var hello = await connection.AskAsync(Request(SupervisorCall.Hello), [], null, null, cancellationToken).ConfigureAwait(false);
        if (hello.Version != SupervisorProtocol.Version)
        {
            connection.Dispose();
            throw new SupervisorException(
                $"The supervisor speaks version {hello.Version} and this service version {SupervisorProtocol.Version}: upgrade the older (the supervisor by 'kill -USR2', which keeps the containers).");
        }

        connection.Calls = hello.Calls;
        foreach (var (id, terminal) in _terminals)
        {
            await connection.AskAsync(Request(SupervisorCall.KeepTerminal) with { Id = id }, [terminal], null, null, cancellationToken).ConfigureAwait(false);
        }

        await connection.AskAsync(Request(SupervisorCall.Subscribe), [], null, null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Connects again after a loss without being asked: the consoles must not wait for a request.</summary>
    private async Task KeepAsync(SupervisorConnection connection)
    {
        await connection.Completion.ConfigureAwait(false);
        while (!_closing.IsCancellationRequested)
        {
            logger.LogWarning("The connection to the supervisor is lost; connecting again");
            try
            {
                await GetConnectionAsync(_closing.Token).ConfigureAwait(false);
                return; // The new connection has its own keeper.
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (e is SupervisorException or ObjectDisposedException)
            {
                logger.LogError(e, "No supervisor can be reached; trying again");
                await Task.Delay(TimeSpan.FromSeconds(1), time).ConfigureAwait(false);
            }
        }
    }

    private void OnUnasked(SupervisorMessage message, FileDescriptor? descriptor)
    {
        if (message.Terminal is { } id && descriptor is not null)
        {
            _terminals.AddOrUpdate(id, descriptor, (_, old) =>
            {
                old.Dispose();
                return descriptor;
            });
        }

        if (message.Event is not { } happened)
        {
            return;
        }

        if (happened.Kind is ContainerEventKind.Stopped or ContainerEventKind.Crashed && _terminals.TryRemove(happened.Id, out var terminal))
        {
            terminal.Dispose();
        }

        _events.Writer.TryWrite(happened);
    }

    private static SupervisorRequest Request(SupervisorCall call) => new() { Sequence = 0, Call = call };
}
