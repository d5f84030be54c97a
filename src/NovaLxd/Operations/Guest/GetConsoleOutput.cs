using System.Text;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Operations.Guest;

/// <summary>The newest lines the guest wrote to its console (nova/compute/manager.py:get_console_output).</summary>
internal sealed class GetConsoleOutput(IGuestAccess guest, LxdOptions options) : IOperation<GetConsoleOutput.Request, string>
{
    /// <param name="Instance">Whose console.</param>
    /// <param name="TailLength">Lines wanted; null: all that are kept.</param>
    internal sealed record Request(Instance Instance, int? TailLength = null) : IInstanceRequest;

    public async Task<string> RunAsync(RequestContext context, Request request, CancellationToken cancellationToken)
    {
        try
        {
            var log = await guest.ReadConsoleLogAsync(Guid.Parse(request.Instance.Uuid), options.ConsoleLogBytes, cancellationToken);
            return Tail(Printable(log), request.TailLength);
        }
        catch (ContainerNotFoundException)
        {
            throw InstanceNotFoundException.For(request.Instance.Uuid);
        }
    }

    /// <summary>The last lines; the line break at the end belongs to the last of them (nova/compute/manager.py:_tail_log).</summary>
    internal static string Tail(string text, int? lines)
    {
        if (lines is null or < 0)
        {
            return text;
        }

        if (lines == 0)
        {
            return "";
        }

        var all = text.Split('\n');
        return string.Join('\n', all[^Math.Min(all.Length, lines.Value + (text.EndsWith('\n') ? 1 : 0))..]);
    }

    /// <summary>ASCII, as the API has always sent it: everything else is a question mark.</summary>
    private static string Printable(byte[] log) => Encoding.ASCII.GetString(log).Replace('\0', '?');
}
