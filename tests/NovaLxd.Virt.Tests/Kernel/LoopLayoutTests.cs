using System.Runtime.InteropServices;
using NovaLxd.Virt.Kernel;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Virt.Tests.Kernel;

/// <summary>Structures and numbers of the storage's bindings, put to the C compiler (packages gcc and linux-libc-dev).</summary>
public sealed class LoopLayoutTests
{
    [Fact]
    public async Task StructuresAndNumbersAreThoseOfTheHeaders()
    {
        string[] assertions =
        [
            $"sizeof(struct loop_info64) == {Marshal.SizeOf<Loop.LoopInfo64>()}",
            $"sizeof(struct loop_config) == {Marshal.SizeOf<Loop.LoopConfig>()}",
            $"offsetof(struct loop_config, info) == {Marshal.OffsetOf<Loop.LoopConfig>(nameof(Loop.LoopConfig.Info))}",
            $"offsetof(struct loop_info64, lo_flags) == {Marshal.OffsetOf<Loop.LoopInfo64>(nameof(Loop.LoopInfo64.Flags))}",
            $"offsetof(struct loop_info64, lo_file_name) == {Marshal.OffsetOf<Loop.LoopInfo64>(nameof(Loop.LoopInfo64.FileName))}",
            $"offsetof(struct loop_info64, lo_inode) == {Marshal.OffsetOf<Loop.LoopInfo64>(nameof(Loop.LoopInfo64.Inode))}",
            $"sizeof(struct open_how) == {Marshal.SizeOf<Openat2.OpenHow>()}",
            $"offsetof(struct open_how, resolve) == {Marshal.OffsetOf<Openat2.OpenHow>(nameof(Openat2.OpenHow.Resolve))}",
            "LOOP_CONFIGURE == 0x4C0A && LOOP_GET_STATUS64 == 0x4C05 && LOOP_CTL_GET_FREE == 0x4C82",
            "LO_FLAGS_AUTOCLEAR == 4 && LO_FLAGS_DIRECT_IO == 16",
            "(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV) == 0x0F",
            "FICLONE == 0x40049409 && SEEK_DATA == 3 && SEEK_HOLE == 4 && LOCK_EX == 2 && LOCK_NB == 4",
            "UMOUNT_NOFOLLOW == 8 && DT_DIR == 4 && DT_UNKNOWN == 0 && SYS_openat2 == 437",
            $"ENOSPC == {Errno.ENOSPC} && EDQUOT == {Errno.EDQUOT} && EUCLEAN == {Errno.EUCLEAN} && EBADMSG == {Errno.EBADMSG} && ELOOP == {Errno.ELOOP}",
            $"EXDEV == {Errno.EXDEV} && ENODATA == {Errno.ENODATA} && EMLINK == {Errno.EMLINK} && ERANGE == {Errno.ERANGE} && E2BIG == {Errno.E2BIG}",
            $"ENOTDIR == {Errno.ENOTDIR} && EISDIR == {Errno.EISDIR} && ENAMETOOLONG == {Errno.ENAMETOOLONG} && ENOTEMPTY == {Errno.ENOTEMPTY}",
            $"EEXIST == {Errno.EEXIST} && EPERM == {Errno.EPERM} && EOPNOTSUPP == {Errno.EOPNOTSUPP} && EINVAL == {Errno.EINVAL} && EIO == {Errno.EIO}",
            RuntimeInformation.ProcessArchitecture == Architecture.X64 ? "SYS_getdents64 == 217" : "SYS_getdents64 == 61",
        ];
        string[] headers =
        [
            "stddef.h", "errno.h", "dirent.h", "unistd.h", "sys/file.h", "sys/mount.h", "sys/syscall.h", "linux/loop.h", "linux/openat2.h", "linux/fs.h",
        ];
        var file = Path.Combine(Path.GetTempPath(), $"nls-{Guid.NewGuid():N}.c");
        try
        {
            await File.WriteAllLinesAsync(
                file,
                ["#define _GNU_SOURCE", .. headers.Select(header => $"#include <{header}>"), .. assertions.Select(assertion => $"_Static_assert({assertion}, \"\");")]);
            await CommandRunner.RunAsync(["gcc", "-fsyntax-only", file], CancellationToken.None);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
