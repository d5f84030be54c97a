using System.Globalization;
using NovaLxd.Virt.Engine;

namespace NovaLxd.Virt;

/// <summary>
/// Hands each container 65536 user and group ids of the host that nobody else has, so that a process which escapes from one container is a stranger in
/// every other. The records are the memory: what they name is taken.
/// <para>
/// Root needs no entry in /etc/subuid and /etc/subgid (user_namespaces(7): CAP_SETUID in the parent namespace), so none is asked for. But those files
/// say which ids the host's administrator has given to other users' containers, and such ids are never handed out here. Ranges of root's own
/// are meant for containers that root runs, as these are.
/// </para>
/// </summary>
/// <param name="first">First id to hand out.</param>
/// <param name="size">How many ids there are in all; what is left over after whole ranges is not used.</param>
/// <param name="delegations">Paths of subuid(5) files; those missing are empty.</param>
internal sealed class IdRanges(uint first, uint size, IReadOnlyList<string> delegations)
{
    /// <summary>Ids of one container: nobody and nogroup are 65534, and user ids of distributions end there.</summary>
    public const uint RangeSize = 65536;

    private readonly HashSet<uint> _taken = [];

    public static IReadOnlyList<string> HostFiles { get; } = ["/etc/subuid", "/etc/subgid"];

    /// <summary>Takes the range of a container found again.</summary>
    public void Reserve(IdMap range)
    {
        lock (_taken)
        {
            _taken.Add(range.HostBase);
        }
    }

    /// <summary>The lowest free range.</summary>
    /// <param name="wanted">
    /// First id of the range a container had on another host: the same one is given when it is free and one of ours, or else one that shares no id with it, so
    /// that an id tells whether its file has been given over.
    /// </param>
    /// <exception cref="OutOfSpaceException">All are taken.</exception>
    public IdMap Allocate(uint? wanted = null)
    {
        var foreign = delegations.SelectMany(ReadForeign).ToArray();
        var end = Math.Min((ulong)first + size, uint.MaxValue);
        lock (_taken)
        {
            // Ranges of an earlier configuration need not start at a multiple of ours: each is checked by its bounds.
            bool IsFree(ulong start) =>
                !_taken.Any(taken => Overlaps(start, taken, RangeSize)) && !foreign.Any(other => Overlaps(start, other.First, other.Count));

            if (wanted is { } same && same >= first && same + (ulong)RangeSize <= end && IsFree(same))
            {
                _taken.Add(same);
                return new IdMap(same, RangeSize);
            }

            for (ulong start = first; start + RangeSize <= end; start += RangeSize)
            {
                if (IsFree(start) && (wanted is not { } other || !Overlaps(start, other, RangeSize)))
                {
                    _taken.Add((uint)start);
                    return new IdMap((uint)start, RangeSize);
                }
            }
        }

        throw new OutOfSpaceException(
            $"All {size / RangeSize} id ranges from {first} to {(ulong)first + size - 1} are taken by containers here or, in {string.Join(" and ", delegations)}, "
            + "by other users. Enlarge the range of ids in section [lxd] of the configuration.");
    }

    public void Release(IdMap range)
    {
        lock (_taken)
        {
            _taken.Remove(range.HostBase);
        }
    }

    private static bool Overlaps(ulong start, ulong otherFirst, ulong otherCount) => start < otherFirst + otherCount && otherFirst < start + RangeSize;

    /// <summary>Lines "user:first:count" of users other than root.</summary>
    private static IEnumerable<(ulong First, ulong Count)> ReadForeign(string path)
    {
        foreach (var line in File.Exists(path) ? File.ReadLines(path) : [])
        {
            var fields = line.Split(':');
            if (fields.Length == 3 && fields[0] is not ("root" or "0")
                && ulong.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out var start)
                && ulong.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            {
                yield return (start, count);
            }
        }
    }
}
