using System.Text;
using RabbitMQ.Client;

namespace NovaLxd.Messaging.Amqp;

/// <summary>
/// SASL mechanism AMQPLAIN, oslo's default: user and password as an AMQP table without its length prefix. RabbitMQ.Client has only PLAIN
/// and EXTERNAL.
/// </summary>
internal sealed class AmqplainMechanism : IAuthMechanism
{
    public async Task<byte[]> HandleChallengeAsync(byte[]? challenge, ConnectionConfig config, CancellationToken cancellationToken = default)
    {
        var credentials = await config.CredentialsProvider.GetCredentialsAsync(cancellationToken);
        using var table = new MemoryStream();
        Append(table, "LOGIN", credentials.UserName);
        Append(table, "PASSWORD", credentials.Password);
        return table.ToArray();
    }

    private static void Append(MemoryStream table, string key, string value)
    {
        table.WriteByte((byte)key.Length);
        table.Write(Encoding.ASCII.GetBytes(key));
        var text = Encoding.UTF8.GetBytes(value);
        table.WriteByte((byte)'S');
        table.Write([(byte)(text.Length >> 24), (byte)(text.Length >> 16), (byte)(text.Length >> 8), (byte)text.Length]);
        table.Write(text);
    }
}

/// <summary>Makes <see cref="AmqplainMechanism"/>.</summary>
internal sealed class AmqplainMechanismFactory : IAuthMechanismFactory
{
    public string Name => "AMQPLAIN";

    public IAuthMechanism GetInstance() => new AmqplainMechanism();
}
