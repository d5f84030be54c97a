namespace NovaLxd.Virt.Tests;

/// <summary>
/// The end of a process that is not a child of the tests. A zombie has ended: when it is reaped is its parent's affair, and the init of a container that
/// tests run in may take seconds.
/// </summary>
internal static class ProcessEnd
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task WaitAsync(int pid)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (IsAlive(pid))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(begun) < Patience, $"Process {pid} did not end within {Patience}.");
            await Task.Delay(10);
        }
    }

    /// <summary>proc_pid_stat(5): the state comes after the name, which is in brackets and may contain some.</summary>
    private static bool IsAlive(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }
}
