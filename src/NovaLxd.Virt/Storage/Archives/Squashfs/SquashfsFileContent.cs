namespace NovaLxd.Virt.Storage.Archives.Squashfs;

/// <summary>Content of one file: its blocks, of which holes are left out, and its end in a fragment.</summary>
internal sealed class SquashfsFileContent
{
    private readonly SquashfsImage _image;
    private readonly SquashfsInode _inode;
    private readonly List<uint> _blocks = [];
    private int _next;
    private long _position;
    private ReadOnlyMemory<byte> _current;

    public SquashfsFileContent(SquashfsImage image, SquashfsInode inode)
    {
        (_image, _inode, _position) = (image, inode, (long)inode.Start);
        var blockSize = image.Superblock.BlockSize;
        var count = inode.Fragment is null ? (inode.Size + blockSize - 1) / blockSize : inode.Size / blockSize;
        for (ulong i = 0; i < count; i++)
        {
            _blocks.Add(inode.BlockList!.ReadUInt32());
        }

        Extents = _blocks.Contains(0) ? [.. FindExtents(blockSize)] : null;
    }

    public IReadOnlyList<DataExtent>? Extents { get; }

    public int Read(Span<byte> buffer)
    {
        if (_current.IsEmpty && !Advance())
        {
            return 0;
        }

        var part = Math.Min(buffer.Length, _current.Length);
        _current.Span[..part].CopyTo(buffer);
        _current = _current[part..];
        return part;
    }

    private IEnumerable<DataExtent> FindExtents(uint blockSize)
    {
        var hasTail = _inode.Fragment is not null && _inode.Size % blockSize != 0;
        var count = _blocks.Count + (hasTail ? 1 : 0);
        for (var i = 0; i < count;)
        {
            var start = i;
            while (i < count && (i == _blocks.Count || _blocks[i] != 0))
            {
                i++;
            }

            if (i > start)
            {
                var offset = start * (long)blockSize;
                yield return new DataExtent(offset, Math.Min(i * (long)blockSize, (long)_inode.Size) - offset);
            }
            else
            {
                i++;
            }
        }
    }

    private bool Advance()
    {
        var blockSize = _image.Superblock.BlockSize;
        while (_next < _blocks.Count)
        {
            var size = _blocks[_next++];
            if (size == 0)
            {
                continue;
            }

            var expected = (int)Math.Min(blockSize, _inode.Size - ((ulong)(_next - 1) * blockSize));
            _current = _image.ReadDataBlock(_position, size);
            _position += size & 0xFFFFFF;
            return _current.Length == expected ? true : throw SquashfsImage.Damaged("a block has not the size it should have");
        }

        var tail = (int)(_inode.Size % blockSize);
        if (_next++ > _blocks.Count || _inode.Fragment is not { } fragment || tail == 0)
        {
            return false;
        }

        var content = _image.ReadFragment(fragment);
        _current = _inode.Offset <= content.Length - tail && _inode.Offset <= int.MaxValue
            ? content.AsMemory((int)_inode.Offset, tail)
            : throw SquashfsImage.Damaged("the end of a file lies outside its fragment");
        return true;
    }
}
