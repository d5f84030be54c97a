using System.Globalization;

namespace NovaLxd.Virt.Tests;

/// <summary>
/// The end of a process that is not a child of the tests. A zombie without other threads has ended: when it is reaped is its parent's affair, and the init of
/// a container that tests run in may take seconds. While another thread still ends, the process's sockets are open and take requests that nobody reads.
/// </summary>
internal static class ProcessEnd
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public static async Task WaitAsync(int pid)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (IsAlive(pid))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begun) < Patience, $"Process {pid} did not end within {Patience}.");
            await Task.Delay(10);
        }
    }

    /// <summary>
    /// proc_pid_stat(5): the name is in brackets and may contain some; after it come the state (the first word) and the number of threads (the 18th). Both in
    /// one read, since a process may be reaped between two.
    /// </summary>
    private static bool IsAlive(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is not ("Z" or "X") || int.Parse(fields[17], CultureInfo.InvariantCulture) > 1;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
