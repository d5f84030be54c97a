using System.Text;
using NovaLxd.Objects;
using NovaLxd.OpenStack.Glance;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>
/// Sets the administrator's password of a running guest by the guest's own programs, which are run in all of its namespaces and hash as its system hashes: no
/// agent is needed. The programs are the guest's and may be anything: they get a time limit, what they print is thrown away unread, and of their end only the
/// status counts.
/// </summary>
internal sealed class GuestPassword(IGuestAccess guest)
{
    /// <summary>The image may name its administrator (property os_admin_user), as for Nova's other drivers.</summary>
    private const string ImageAdminUser = "os_admin_user";

    private const string DefaultUser = "root";

    /// <summary>End line and argument; what busybox takes for the end of its input too.</summary>
    private const string Unwritable = "\n\r\0";

    /// <summary>Within what the API waits for an answer (<c>rpc_response_timeout</c>, 60 seconds).</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(45);

    /// <summary>(1) chpasswd(8), which full systems have (2) busybox's passwd, which has no chpasswd beside it in Debian, and asks twice.</summary>
    /// <exception cref="InstancePasswordSetFailedException">The guest does not run, refused, or took too long.</exception>
    /// <exception cref="SetAdminPasswordNotSupportedException">It has neither program.</exception>
    public async Task SetAsync(Instance instance, string user, string password, CancellationToken cancellationToken)
    {
        Check(instance, user, password);
        if (await RunAsync(instance, ["chpasswd"], $"{user}:{password}\n", cancellationToken)
            || await RunAsync(instance, ["passwd", "-a", "sha512", user], $"{password}\n{password}\n", cancellationToken))
        {
            return;
        }

        throw new SetAdminPasswordNotSupportedException(
            $"The guest of instance {instance.Uuid} has no program that sets a password (chpasswd, or passwd of busybox).");
    }

    /// <summary>The administrator in the image that the instance was made from.</summary>
    public static string UserOf(Instance instance) => instance.ImageProperties.GetValueOrDefault(ImageAdminUser) is { Length: > 0 } named ? named : DefaultUser;

    /// <summary>The administrator in an image.</summary>
    public static string UserOf(Image image) =>
        image.Properties.TryGetValue(ImageAdminUser, out var value) && (string?)value is { Length: > 0 } named ? named : DefaultUser;

    private static void Check(Instance instance, string user, string password)
    {
        if (password.Length == 0 || password.AsSpan().ContainsAny(Unwritable))
        {
            throw new InstancePasswordSetFailedException(instance.Uuid, "a password must not be empty or contain a line break or a null character");
        }

        if (user.StartsWith('-') || user.AsSpan().ContainsAny(Unwritable + ":"))
        {
            throw new InstancePasswordSetFailedException(instance.Uuid, $"the image property {ImageAdminUser} is no name of a user");
        }
    }

    /// <returns>False: the guest has no such program.</returns>
    private async Task<bool> RunAsync(Instance instance, IReadOnlyList<string> command, string input, CancellationToken cancellationToken)
    {
        var request = new ExecRequest { Command = command, StandardInput = Encoding.UTF8.GetBytes(input), MaxOutputBytes = 0, Timeout = Limit };
        int status;
        try
        {
            status = (await guest.ExecAsync(Guid.Parse(instance.Uuid), request, cancellationToken)).ExitCode;
        }
        catch (ContainerStateException e)
        {
            throw new InstancePasswordSetFailedException(instance.Uuid, e.Message, e);
        }

        return status switch
        {
            0 => true,
            127 => false, // As a shell says that there is no such command.
            _ => throw new InstancePasswordSetFailedException(
                instance.Uuid, $"{command[0]} in the guest ended with status {status} (137: killed, the limit is {Limit.TotalSeconds} seconds)"),
        };
    }
}
