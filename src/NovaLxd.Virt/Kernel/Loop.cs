using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using static Tmds.Linux.LibC;

namespace NovaLxd.Virt.Kernel;

/// <summary>
/// linux/loop.h: a file as a block device. A device attached here detaches itself when the last user is gone (LO_FLAGS_AUTOCLEAR), be it a closed
/// descriptor, an unmount, or the death of this process: nothing is left to clean up.
/// </summary>
internal static partial class Loop
{
    private const string ControlDevice = "/dev/loop-control";
    private const nuint LoopConfigure = 0x4C0A;
    private const nuint LoopGetStatus64 = 0x4C05;
    private const nuint LoopCtlGetFree = 0x4C82;
    private const uint FlagAutoclear = 4;
    private const uint FlagDirectIo = 16;

    /// <summary>How often another process may take the free device we were just told of.</summary>
    private const int MaxAttempts = 100;

    /// <summary>Whether the host offers loop devices at all.</summary>
    public static bool IsAvailable => File.Exists(ControlDevice);

    /// <summary>
    /// Attaches a file to a free device. The returned descriptor keeps the device attached; a mount made meanwhile keeps it on.
    /// The page cache of the file is bypassed (the file system above has one, and twice is only slower); the kernel falls back by itself where the
    /// file system below cannot do that. The block size is 4096, which suits every disk below.
    /// </summary>
    public static LoopDevice Attach(SafeFileHandle file, string path)
    {
        using var control = Open(ControlDevice, O_RDWR);
        for (var attempt = 1; ; attempt++)
        {
            var number = Ioctl(control, LoopCtlGetFree, 0);
            if (number < 0)
            {
                throw KernelException.Last("LOOP_CTL_GET_FREE", ControlDevice);
            }

            var devicePath = string.Create(CultureInfo.InvariantCulture, $"/dev/loop{number}");
            var device = Open(devicePath, O_RDWR);
            if (Configure(device, file, path) == 0)
            {
                return new LoopDevice(devicePath, device);
            }

            device.Dispose();
            if (Marshal.GetLastPInvokeError() != EBUSY || attempt == MaxAttempts)
            {
                throw KernelException.Last("LOOP_CONFIGURE", $"{devicePath} for {path}");
            }
        }
    }

    /// <summary>The device to which a file is attached, opened; null when there is none.</summary>
    public static LoopDevice? Find(FileStatus file)
    {
        foreach (var folder in Directory.EnumerateDirectories("/sys/block", "loop*"))
        {
            // The attribute folder exists only while the device is attached.
            if (!Directory.Exists(folder + "/loop"))
            {
                continue;
            }

            // One that cannot be opened is another's (attached read-only, say), or is just being detached.
            var path = "/dev/" + Path.GetFileName(folder);
            var device = TryOpen(path, O_RDWR);
            if (!device.IsInvalid && GetStatus(device) is { } info && info.Device == file.Device && info.Inode == file.Inode)
            {
                return new LoopDevice(path, device);
            }

            device.Dispose();
        }

        return null;
    }

    private static unsafe int Configure(SafeFileHandle device, SafeFileHandle file, string path)
    {
        var config = new LoopConfig { FileDescriptor = (uint)file.DangerousGetHandle(), BlockSize = 4096 };
        config.Info.Flags = FlagAutoclear | FlagDirectIo;

        // Shown by losetup(8); the kernel knows the file by its inode.
        var name = Encoding.UTF8.GetBytes(path);
        name.AsSpan(0, Math.Min(name.Length, 63)).CopyTo(new Span<byte>(config.Info.FileName, 64));
        return Ioctl(device, LoopConfigure, (nint)(&config));
    }

    private static unsafe LoopInfo64? GetStatus(SafeFileHandle device)
    {
        LoopInfo64 info;
        return Ioctl(device, LoopGetStatus64, (nint)(&info)) == 0 ? info : null;
    }

    private static SafeFileHandle Open(string path, int flags)
    {
        var file = TryOpen(path, flags);
        return file.IsInvalid ? throw KernelException.Last("open", path) : file;
    }

    /// <summary>Invalid when open(2) failed.</summary>
    private static unsafe SafeFileHandle TryOpen(string path, int flags)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            return new SafeFileHandle(open(name, flags | O_CLOEXEC, default), ownsHandle: true);
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeFileHandle device, nuint request, nint argument);

    /// <summary>struct loop_info64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct LoopInfo64
    {
        public ulong Device;
        public ulong Inode;
        public ulong RealDevice;
        public ulong Offset;
        public ulong SizeLimit;
        public uint Number;
        public uint EncryptType;
        public uint EncryptKeySize;
        public uint Flags;
        public fixed byte FileName[64];
        public fixed byte CryptName[64];
        public fixed byte EncryptKey[32];
        public fixed ulong Init[2];
    }

    /// <summary>struct loop_config.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct LoopConfig
    {
        public uint FileDescriptor;
        public uint BlockSize;
        public LoopInfo64 Info;
        public fixed ulong Reserved[8];
    }
}

/// <summary>An attached loop device ("/dev/loop3"), held until disposed or mounted.</summary>
internal sealed record LoopDevice(string Path, SafeFileHandle Handle) : IDisposable
{
    public void Dispose() => Handle.Dispose();
}
