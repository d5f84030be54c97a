using NovaLxd.Virt;

namespace NovaLxd.Tests.Fakes;

/// <summary>The inside of every container: programs as a function, and what was asked of them. Unless a test gives it some, it has none.</summary>
internal sealed class FakeGuest : IGuestAccess
{
    internal List<ExecRequest> Requests { get; } = [];

    /// <summary>Status with which a program ends.</summary>
    internal Func<ExecRequest, int> Program { get; set; } = _ => 127;

    public Task<byte[]> ReadConsoleLogAsync(Guid id, int maxBytes, CancellationToken cancellationToken) => Task.FromResult<byte[]>([]);

    public Task<ExecResult> ExecAsync(Guid id, ExecRequest request, CancellationToken cancellationToken)
    {
        Requests.Add(request);
        return Task.FromResult(new ExecResult(Program(request), [], []));
    }
}
