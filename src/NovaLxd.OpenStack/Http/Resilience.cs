using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http.Resilience;
using NovaLxd.OpenStack.Authentication;
using Polly;
using Polly.Timeout;

namespace NovaLxd.OpenStack.Http;

/// <summary>
/// What is repeated: requests whose repetition changes nothing (GET, HEAD, PUT, DELETE) after no answer or 500, 502, 503, 504; any other
/// request only when it certainly was not processed (no connection came about, or 429). Pauses grow exponentially, jittered.
/// </summary>
internal static class Resilience
{
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(30);

    public static IHttpClientBuilder AddOpenStackResilience(this IHttpClientBuilder builder, Func<IServiceProvider, AdapterOptions> options, bool postIsSafe = false)
    {
        builder.AddResilienceHandler("openstack", (pipeline, context) =>
        {
            var adapter = options(context.ServiceProvider);
            if (adapter.Retries > 0)
                pipeline.AddRetry(Retry(adapter, postIsSafe));
            pipeline.AddTimeout(new HttpTimeoutStrategyOptions
            {
                TimeoutGenerator = arguments => ValueTask.FromResult(
                    arguments.Context.GetRequestMessage() is { } request && request.IsStream() && request.Method != HttpMethod.Get
                        ? Timeout.InfiniteTimeSpan // An upload lasts as long as it lasts.
                        : adapter.AttemptTimeout),
            });
        });
        return builder;
    }

    private static HttpRetryStrategyOptions Retry(AdapterOptions adapter, bool postIsSafe) => new()
    {
        MaxRetryAttempts = adapter.Retries,
        Delay = adapter.RetryDelay,
        BackoffType = DelayBackoffType.Exponential,
        UseJitter = true,
        MaxDelay = MaxPause,
        ShouldHandle = arguments => ValueTask.FromResult(IsWorthRepeating(arguments.Context.GetRequestMessage(), postIsSafe, arguments.Outcome)),
        DelayGenerator = arguments => ValueTask.FromResult(RetryAfter(arguments.Outcome.Result)),
    };

    private static bool IsWorthRepeating(HttpRequestMessage? request, bool postIsSafe, Outcome<HttpResponseMessage> outcome)
    {
        if (request is null || (request.IsStream() && request.Method != HttpMethod.Get))
            return false; // A stream that was read once cannot be sent again.
        var idempotent = request.Method == HttpMethod.Get || request.Method == HttpMethod.Head
            || request.Method == HttpMethod.Put || request.Method == HttpMethod.Delete || (postIsSafe && request.Method == HttpMethod.Post);
        return outcome switch
        {
            { Result.StatusCode: HttpStatusCode.TooManyRequests } => true,
            {
                Result.StatusCode: HttpStatusCode.InternalServerError or HttpStatusCode.BadGateway
                    or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout
            } => idempotent,
            { Exception: HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError } } => true,
            { Exception: HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } } => false, // A bad certificate stays bad.
            { Exception: HttpRequestException or IOException or TimeoutRejectedException } => idempotent,
            _ => false,
        };
    }

    /// <summary>The pause the service asks for, within reason; null: our own.</summary>
    private static TimeSpan? RetryAfter(HttpResponseMessage? response) =>
        response?.Headers.RetryAfter?.Delta is { } asked ? (asked < MaxPause ? asked : MaxPause) : null;
}
