using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>
/// An open directory and the calls of fcntl.h, sys/stat.h and unistd.h that work relative to one. A name is a single path component in bytes; no call
/// here follows a symbolic link in it.
/// </summary>
internal sealed unsafe partial class DirectoryHandle : SafeHandleMinusOneIsInvalid
{
    /// <summary>Longest file name of Linux file systems, in bytes (NAME_MAX).</summary>
    public const int MaxNameLength = 255;

    /// <summary>Longest path of a system call, in bytes without its terminator (PATH_MAX).</summary>
    public const int MaxPathLength = 4095;

    private DirectoryHandle(int descriptor)
        : base(ownsHandle: true) => SetHandle(descriptor);

    private int Descriptor => (int)handle;

    /// <summary>Opens a directory of the host by its path.</summary>
    public static DirectoryHandle Open(string path)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            var descriptor = openat(AT_FDCWD, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, default);
            return descriptor >= 0 ? new DirectoryHandle(descriptor) : throw KernelException.Last("open", path);
        }
    }

    /// <summary>Opens a directory below this one; null when something on the way is missing.</summary>
    /// <exception cref="KernelException">ELOOP: a symbolic link on the way. ENOTDIR: something else. EXDEV: the path leads out.</exception>
    public DirectoryHandle? OpenBeneath(ReadOnlySpan<byte> path)
    {
        fixed (byte* name = Terminated(path, stackalloc byte[MaxPathLength + 1]))
        {
            var descriptor = Openat2.OpenBeneath(Descriptor, name, O_RDONLY | O_DIRECTORY, 0);
            return descriptor >= 0 ? new DirectoryHandle(descriptor)
                : errno == ENOENT ? null
                : throw KernelException.Last("openat2", Text(path));
        }
    }

    /// <summary>Opens a directory in this one; never what a symbolic link points to.</summary>
    public DirectoryHandle OpenChild(ReadOnlySpan<byte> name)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            var descriptor = openat(Descriptor, terminated, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, default);
            return descriptor >= 0 ? new DirectoryHandle(descriptor) : throw KernelException.Last("openat", Text(name));
        }
    }

    /// <summary>A new, empty file open for reading and writing. EEXIST when the name is taken, whatever it is.</summary>
    public SafeFileHandle CreateFile(ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            var descriptor = openat(Descriptor, terminated, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
            return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw KernelException.Last("create", Text(name));
        }
    }

    /// <summary>
    /// An existing regular file; never what a symbolic link points to, never a wait for a FIFO's writer. Unlike File.OpenHandle this takes no lock on
    /// the file (.NET's is a flock(2), given back when the handle is disposed).
    /// </summary>
    public SafeFileHandle OpenFile(ReadOnlySpan<byte> name, bool writable = false)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            var descriptor = openat(Descriptor, terminated, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, default);
            return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw KernelException.Last("openat", Text(name));
        }
    }

    /// <summary>lstat(2) of a name; null when it is not there.</summary>
    public FileStatus? Stat(ReadOnlySpan<byte> name)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            stat status;
            return fstatat(Descriptor, terminated, &status, AT_SYMLINK_NOFOLLOW) == 0 ? FileStatus.From(status)
                : errno == ENOENT ? null
                : throw KernelException.Last("fstatat", Text(name));
        }
    }

    public void MakeDirectory(ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            Check(mkdirat(Descriptor, terminated, (mode_t)mode), "mkdirat", name);
        }
    }

    public void MakeFifo(ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            Check(mknodat(Descriptor, terminated, (mode_t)(0x1000 | mode), default), "mknodat", name);
        }
    }

    public void MakeSymbolicLink(ReadOnlySpan<byte> target, ReadOnlySpan<byte> name)
    {
        fixed (byte* value = Terminated(target, stackalloc byte[MaxPathLength + 1]), terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            Check(symlinkat(value, Descriptor, terminated), "symlinkat", name);
        }
    }

    /// <summary>readlink(2).</summary>
    public byte[] ReadSymbolicLink(ReadOnlySpan<byte> name)
    {
        Span<byte> target = stackalloc byte[MaxPathLength + 1];
        fixed (byte* value = target, terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            var length = (long)readlinkat(Descriptor, terminated, value, target.Length);
            return length >= 0 ? target[..(int)length].ToArray() : throw KernelException.Last("readlinkat", Text(name));
        }
    }

    /// <summary>A further name here for a file that has one in <paramref name="source"/>.</summary>
    public void Link(DirectoryHandle source, ReadOnlySpan<byte> sourceName, ReadOnlySpan<byte> name)
    {
        fixed (byte* from = Terminated(sourceName, stackalloc byte[MaxNameLength + 1]), to = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            Check(linkat(source.Descriptor, from, Descriptor, to, 0), "linkat", name);
        }
    }

    public void Unlink(ReadOnlySpan<byte> name) => Unlink(name, 0);

    public void RemoveDirectory(ReadOnlySpan<byte> name) => Unlink(name, AT_REMOVEDIR);

    public void Rename(ReadOnlySpan<byte> name, DirectoryHandle target, ReadOnlySpan<byte> targetName)
    {
        fixed (byte* from = Terminated(name, stackalloc byte[MaxNameLength + 1]), to = Terminated(targetName, stackalloc byte[MaxNameLength + 1]))
        {
            Check(RenameAt(Descriptor, from, target.Descriptor, to), "renameat", name);
        }
    }

    public void ChangeOwner(ReadOnlySpan<byte> name, uint userId, uint groupId)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            Check(fchownat(Descriptor, terminated, userId, groupId, AT_SYMLINK_NOFOLLOW), "fchownat", name);
        }
    }

    /// <summary>Permission bits of something that is not a symbolic link (those have none).</summary>
    public void ChangeMode(ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            Check(fchmodat(Descriptor, terminated, (mode_t)mode, 0), "fchmodat", name);
        }
    }

    public void SetModified(ReadOnlySpan<byte> name, long seconds, long nanoseconds)
    {
        var times = stackalloc timespec[2];
        FileMetadata.Fill(times, seconds, nanoseconds);
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            Check(utimensat(Descriptor, terminated, times, AT_SYMLINK_NOFOLLOW), "utimensat", name);
        }
    }

    /// <summary>Every entry but "." and "..", in the file system's order. Reads from where the last reading ended, so once for each handle.</summary>
    public List<DirectoryEntry> ReadEntries()
    {
        var entries = new List<DirectoryEntry>();
        Dirent.Read(this, entries.Add);
        return entries;
    }

    /// <summary>fsync(2): the names in this directory survive a crash.</summary>
    public void Sync() => Check(fsync(Descriptor), "fsync", default);

    /// <summary>syncfs(2): everything written to its file system survives a crash.</summary>
    public void SyncFileSystem() => Check(syncfs(Descriptor), "syncfs", default);

    protected override bool ReleaseHandle() => close(Descriptor) == 0;

    internal static string Text(ReadOnlySpan<byte> name) => Encoding.UTF8.GetString(name);

    private static Span<byte> Terminated(ReadOnlySpan<byte> name, Span<byte> buffer)
    {
        if (name.Length >= buffer.Length)
        {
            throw new KernelException(ENAMETOOLONG, "path", Text(name[..64]) + "...");
        }

        name.CopyTo(buffer);
        buffer[name.Length] = 0;
        return buffer[..(name.Length + 1)];
    }

    private static void Check(int result, string call, ReadOnlySpan<byte> name)
    {
        if (result != 0)
        {
            throw KernelException.Last(call, Text(name));
        }
    }

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
    private static partial int RenameAt(int directory, byte* name, int target, byte* targetName);

    private void Unlink(ReadOnlySpan<byte> name, int flags)
    {
        fixed (byte* terminated = Terminated(name, stackalloc byte[MaxNameLength + 1]))
        {
            Check(unlinkat(Descriptor, terminated, flags), "unlinkat", name);
        }
    }
}
