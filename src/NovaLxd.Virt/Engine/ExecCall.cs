using System.IO.Pipes;
using System.Text;
using Microsoft.Win32.SafeHandles;
using NovaLxd.Virt.Kernel;

namespace NovaLxd.Virt.Engine;

/// <summary>The service's side of an exec: pipes for the command's streams, whose other ends go to the supervisor, and their bounded reading.</summary>
internal static class ExecCall
{
    /// <summary>How long output is awaited from what the command left running, once it has itself ended.</summary>
    private static readonly TimeSpan Lingering = TimeSpan.FromSeconds(3);

    /// <summary>More than any pipe holds (pipe-max-size, proc(5)), so that who goes on writing is not read for ever.</summary>
    private const int LargestPipe = 1 << 20;

    /// <exception cref="ContainerStateException">The container does not run, or is frozen.</exception>
    public static async Task<ExecResult> RunAsync(SupervisorClient supervisor, Guid id, ExecRequest request, CancellationToken cancellationToken)
    {
        var (inputRead, inputWrite) = Unistd.pipe2(Fcntl.O_CLOEXEC);
        var (outputRead, outputWrite) = Unistd.pipe2(Fcntl.O_CLOEXEC);
        var (errorRead, errorWrite) = Unistd.pipe2(Fcntl.O_CLOEXEC);
        using var linger = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var input = Open(inputWrite, PipeDirection.Out);
        await using var output = Open(outputRead, PipeDirection.In);
        await using var error = Open(errorRead, PipeDirection.In);
        var sequence = 0L;
        Task<MemoryStream> outputBytes, errorBytes;
        Task writing;
        SupervisorMessage answer;
        using (inputRead)
        using (outputWrite)
        using (errorWrite)
        {
            var asking = supervisor.AskAsync(
                new SupervisorRequest
                {
                    Sequence = 0,
                    Call = SupervisorCall.Exec,
                    Id = id,
                    Exec = new ExecCommand(request.Command, request.Environment, request.WorkingDirectory, request.UserId, request.GroupId, request.Timeout),
                },
                repeatable: false,
                cancellationToken,
                [inputRead, outputWrite, errorWrite],
                onSent: number =>
                {
                    // The message carries copies: with ours closed, the pipes end when the command's do.
                    sequence = number;
                    inputRead.Dispose();
                    outputWrite.Dispose();
                    errorWrite.Dispose();
                });
            outputBytes = ReadAsync(output, request.MaxOutputBytes, linger.Token);
            errorBytes = ReadAsync(error, request.MaxOutputBytes, linger.Token);
            writing = WriteAsync(input, request.StandardInput, linger.Token);
            try
            {
                answer = await asking.ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (sequence != 0)
            {
                await supervisor.AskAsync(
                    new SupervisorRequest { Sequence = 0, Call = SupervisorCall.CancelExec, Id = id, Target = sequence }, false, CancellationToken.None).ConfigureAwait(false);
                throw;
            }
        }

        linger.CancelAfter(Lingering);
        await writing.ConfigureAwait(false);
        var outputs = TakeWhatIsThere(output, await outputBytes.ConfigureAwait(false), request.MaxOutputBytes);
        var errors = TakeWhatIsThere(error, await errorBytes.ConfigureAwait(false), request.MaxOutputBytes);
        return new ExecResult(answer.ExitCode, outputs, errors.Length > 0 ? errors : Explanation(request.Command[0], answer.ExitCode));
    }

    /// <summary>What a shell says of a program that it cannot execute; nothing of others.</summary>
    private static byte[] Explanation(string program, int exitCode) =>
        exitCode is 126 or 127 ? Encoding.UTF8.GetBytes($"{program}: {(exitCode == 127 ? "command not found" : "cannot be executed")}\n") : [];

    /// <summary>A stream that waits without a thread.</summary>
    private static AnonymousPipeClientStream Open(FileDescriptor end, PipeDirection direction) => new(direction, new SafePipeHandle(end.Release(), ownsHandle: true));

    private static async Task<MemoryStream> ReadAsync(Stream stream, int limit, CancellationToken cancellationToken)
    {
        var kept = new MemoryStream();
        var buffer = new byte[8192];
        try
        {
            while (await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
            {
                kept.Write(buffer, 0, Math.Min(count, limit - (int)kept.Length));
            }
        }
        catch (OperationCanceledException)
        {
            // Somebody the command started still has the pipe; what came so far counts.
        }

        return kept;
    }

    /// <summary>
    /// All that the command wrote is in the pipe when it has ended, however late this busy process comes to read it. What others still write is not awaited.
    /// </summary>
    private static byte[] TakeWhatIsThere(AnonymousPipeClientStream stream, MemoryStream kept, int limit)
    {
        var pipe = (int)stream.SafePipeHandle.DangerousGetHandle();
        Fcntl.SetNonBlocking(pipe);
        var buffer = new byte[8192];
        for (var left = LargestPipe; left > 0 && Unistd.Read(pipe, buffer) is { } count and > 0; left -= count)
        {
            kept.Write(buffer, 0, Math.Min(count, limit - (int)kept.Length));
        }

        return kept.ToArray();
    }

    private static async Task WriteAsync(AnonymousPipeClientStream stream, byte[] content, CancellationToken cancellationToken)
    {
        try
        {
            await stream.WriteAsync(content, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The command does not read its input.
        }

        await stream.DisposeAsync().ConfigureAwait(false);
    }
}
