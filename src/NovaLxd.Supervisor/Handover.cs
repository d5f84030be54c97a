using System.Text.Json;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>
/// What this process leaves to itself when it executes its program file anew: the numbers of the descriptors that stay open. The records of the guests
/// are in the runtime directory.
/// </summary>
internal sealed record Handover(Guid Instance, int Listener, IReadOnlyList<Handover.GuestDescriptors> Guests)
{
    public const string FileName = "handover.json";

    internal sealed record GuestDescriptors(Guid Id, int Pidfd, int Network, int Terminal);

    public void Save(string runtimeDirectory) =>
        File.WriteAllBytes(Path.Combine(runtimeDirectory, FileName), JsonSerializer.SerializeToUtf8Bytes(this, RecordJson.Default.Handover));

    /// <summary>Read once. Null when there is none.</summary>
    public static Handover? Take(string runtimeDirectory)
    {
        var path = Path.Combine(runtimeDirectory, FileName);
        if (!File.Exists(path))
        {
            return null;
        }

        var handover = JsonSerializer.Deserialize(File.ReadAllBytes(path), RecordJson.Default.Handover);
        File.Delete(path);
        return handover;
    }

    /// <summary>Takes ownership of a number; null for -1.</summary>
    public static FileDescriptor? Own(int number)
    {
        if (number < 0)
        {
            return null;
        }

        Fcntl.SetCloseOnExec(number, true);
        return new FileDescriptor(number);
    }

    public IEnumerable<int> Numbers => Guests.SelectMany(guest => new[] { guest.Pidfd, guest.Network, guest.Terminal }).Append(Listener).Where(number => number >= 0);
}
