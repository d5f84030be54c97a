namespace NovaLxd.Virt.Storage.Archives;

/// <summary>Maps of sparse files: the old GNU format in the header, and GNU's three spellings of it in pax records (tar manual, "Storing Sparse Files").</summary>
internal static class SparseMap
{
    /// <summary>More parts than this no tool writes.</summary>
    private const int MaxExtents = 200_000;

    /// <summary>Adds the entries of one block of the old format (pairs of 12-byte numbers); an entry of zero ends them.</summary>
    public static void AddOldEntries(ReadOnlySpan<byte> entries, List<DataExtent> map)
    {
        for (; entries.Length >= 24; entries = entries[24..])
        {
            if (entries[0] == 0)
            {
                return;
            }

            if (map.Count == MaxExtents || !TarHeader.TryNumber(entries[..12], out var offset) || !TarHeader.TryNumber(entries[12..24], out var length))
            {
                throw Damaged();
            }

            map.Add(new DataExtent(offset, length));
        }
    }

    /// <summary>Formats 0.0 (a record for each number) and 0.1 (one record with all); null when the member is not sparse.</summary>
    public static List<DataExtent>? FromRecords(PaxRecords records)
    {
        var numbers = new List<long>();
        if (records.Find("GNU.sparse.map") is { } map)
        {
            foreach (var range in map.AsSpan().Split((byte)','))
            {
                numbers.Add(PaxRecords.ParseNumber("GNU.sparse.map", map.AsSpan()[range]));
            }
        }
        else if (records.Find("GNU.sparse.numblocks") is not null)
        {
            foreach (var (key, value) in records.All.Where(record => record.Key is "GNU.sparse.offset" or "GNU.sparse.numbytes"))
            {
                numbers.Add(PaxRecords.ParseNumber(key, value));
            }
        }
        else
        {
            return null;
        }

        return Pairs(numbers);
    }

    /// <summary>Format 1.0: the map stands before the data as decimal lines, count first, padded to whole blocks.</summary>
    /// <param name="readBlock">Reads the next 512 bytes of the member.</param>
    public static List<DataExtent> FromData(Func<ReadOnlyMemory<byte>> readBlock)
    {
        ReadOnlyMemory<byte> block = default;
        var at = 0;
        long NextNumber()
        {
            long value = 0;
            for (var digits = 0; ; digits++)
            {
                if (at == block.Length)
                {
                    block = readBlock();
                    at = 0;
                }

                var c = block.Span[at++];
                if (c == '\n' && digits > 0)
                {
                    return value;
                }

                if (c is < (byte)'0' or > (byte)'9' || digits == 18)
                {
                    throw Damaged();
                }

                value = (value * 10) + (c - '0');
            }
        }

        var count = NextNumber();
        if (count > MaxExtents)
        {
            throw Damaged();
        }

        var numbers = new List<long>();
        for (long i = 0; i < count * 2; i++)
        {
            numbers.Add(NextNumber());
        }

        return Pairs(numbers);
    }

    /// <summary>In order, without overlap, inside the file, and as long together as the data that follows.</summary>
    public static IReadOnlyList<DataExtent> Check(List<DataExtent> map, long size, long dataLength)
    {
        long end = 0, sum = 0;
        foreach (var extent in map)
        {
            if (extent.Offset < end || extent.Length < 0 || extent.Length > size || extent.Offset > size - extent.Length)
            {
                throw Damaged();
            }

            end = extent.Offset + extent.Length;
            sum += extent.Length;
        }

        return sum == dataLength ? map : throw Damaged();
    }

    private static List<DataExtent> Pairs(List<long> numbers)
    {
        if (numbers.Count % 2 != 0 || numbers.Count / 2 > MaxExtents)
        {
            throw Damaged();
        }

        return [.. numbers.Chunk(2).Select(pair => new DataExtent(pair[0], pair[1]))];
    }

    private static ImageRejectedException Damaged() => new("The archive is damaged: the map of a sparse file makes no sense.");
}
