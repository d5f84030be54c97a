namespace NovaLxd.Virt;

/// <summary>
/// Stopped containers on their way between hosts. Nothing here knows how the bytes travel.
/// <para>
/// Vocabulary. A <i>departure</i> is a container's data held still on the host it leaves: it can be read, and the container cannot start, until disposal; the
/// container itself stays as it is. An <i>arrival</i> is a container half made on the host it goes to: it takes data in order, part by part, and becomes a
/// stopped container without ports when it is completed. An arrival that is not completed is taken away by the next start of the service at the latest.
/// </para>
/// <para>
/// A <i>part</i> is a file with holes. What travels is its data, in ascending order of offset; what is between is a hole. The hash of a part is over all
/// that travelled, with its offsets (<see cref="TransferHash"/>).
/// </para>
/// </summary>
public interface IContainerTransfers
{
    /// <summary>Holds a stopped container still.</summary>
    /// <exception cref="ContainerNotFoundException"/>
    /// <exception cref="ContainerStateException">It runs, or somebody else uses its disk.</exception>
    Task<IContainerDeparture> DepartAsync(Guid id, CancellationToken cancellationToken);

    /// <summary>Makes room for a container: its record, its ids, its files, all empty.</summary>
    /// <exception cref="ContainerExistsException">A whole container of this id is here. One half made is taken away first.</exception>
    /// <exception cref="OutOfSpaceException">It would not fit on this host; nothing was made.</exception>
    /// <exception cref="TransferRefusedException">What was announced cannot be a container.</exception>
    Task<IContainerArrival> ExpectAsync(ContainerManifest manifest, CancellationToken cancellationToken);
}

/// <summary>A container's data, held still until disposal.</summary>
public interface IContainerDeparture : IAsyncDisposable
{
    ContainerManifest Manifest { get; }

    /// <summary>Adds the image below it, for a host that cannot get it elsewhere.</summary>
    Task AddImageAsync(CancellationToken cancellationToken);

    /// <summary>Reads the next data of a part at or after an offset; a length of 0: there is no more. Waits for the disk.</summary>
    (long Offset, int Length) ReadNext(string part, long from, Span<byte> buffer);
}

/// <summary>A container half made. Calls for one are serialised here.</summary>
public interface IContainerArrival : IAsyncDisposable
{
    ContainerManifest Manifest { get; }

    /// <summary>How far each part has come: all data before it are here.</summary>
    IReadOnlyDictionary<string, long> Positions { get; }

    /// <summary>Takes the image in too.</summary>
    /// <exception cref="OutOfSpaceException"/>
    Task AddImageAsync(TransferPart image, CancellationToken cancellationToken);

    /// <summary>Takes data; false, and nothing taken, when they are not beyond what has come already.</summary>
    /// <exception cref="TransferRefusedException">There is no such part, or it ends before these data do.</exception>
    /// <exception cref="OutOfSpaceException">The disk is full.</exception>
    Task<bool> WriteAsync(string part, long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>Checks every part and makes the container of them. Nothing happens when that is done already.</summary>
    /// <param name="hashes">Of each part, as the other side has it.</param>
    /// <param name="cancellationToken">Ends it; the arrival can only be disposed of then.</param>
    /// <exception cref="TransferRefusedException">Something arrived other than it left.</exception>
    Task CompleteAsync(IReadOnlyDictionary<string, string> hashes, CancellationToken cancellationToken);
}

/// <summary>What came is not what was announced, or cannot be taken; the message says what.</summary>
public sealed class TransferRefusedException(string message, Exception? inner = null) : VirtException(message, inner);
