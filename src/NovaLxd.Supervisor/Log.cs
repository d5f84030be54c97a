using System.Globalization;
using System.Text;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Supervisor;

/// <summary>A line to standard error for each thing an operator may want to know; the journal adds the rest.</summary>
internal sealed class Log(TimeProvider time)
{
    public void Info(string message) => Write("INFO", message);

    public void Warning(string message) => Write("WARNING", message);

    public void Error(string message) => Write("ERROR", message);

    private void Write(string level, string message)
    {
        var line = string.Create(CultureInfo.InvariantCulture, $"{time.GetUtcNow():yyyy-MM-dd HH:mm:ss.fff} {Environment.ProcessId} {level} supervisor {message}\n");
        try
        {
            Unistd.WriteAll(2, Encoding.UTF8.GetBytes(line));
        }
        catch (KernelException)
        {
            // Whoever read standard error is gone: nowhere is left to say so.
        }
    }
}
