using NovaLxd.Messaging;

namespace NovaLxd.Operations;

/// <summary>Answers one RPC method. The arguments are the record <typeparamref name="TRequest"/>, read by name from the message.</summary>
internal interface IOperation<in TRequest, TResult>
{
    /// <param name="context">Who asks; passed on unchanged to the conductor, elevated where Nova elevates it.</param>
    /// <param name="request">The arguments.</param>
    /// <param name="cancellationToken">The service stops, or the caller is gone.</param>
    Task<TResult> RunAsync(RequestContext context, TRequest request, CancellationToken cancellationToken);
}

/// <summary>Nothing: the result of a cast, and JSON null as that of a call.</summary>
internal readonly record struct None;
