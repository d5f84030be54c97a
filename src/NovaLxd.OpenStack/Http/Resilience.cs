using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Logging;
using NovaLxd.OpenStack.Authentication;
using Polly;
using Polly.Timeout;

namespace NovaLxd.OpenStack.Http;

/// <summary>
/// What is repeated: requests whose repetition changes nothing (GET, HEAD, PUT, DELETE) after no answer or 500, 502, 503, 504; any other
/// request only when it certainly was not processed (no connection came about, or 429). Pauses grow exponentially, jittered.
/// </summary>
internal static partial class Resilience
{
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(30);

    public static IHttpClientBuilder AddOpenStackResilience(
        this IHttpClientBuilder builder, string service, Func<IServiceProvider, AdapterOptions> options, bool postIsSafe = false)
    {
        builder.AddResilienceHandler("openstack", (pipeline, context) =>
        {
            var adapter = options(context.ServiceProvider);
            // Polly writes two lines for each attempt and names neither service nor URL: we write our own.
            pipeline.TelemetryListener = null;
            if (adapter.Retries > 0)
                pipeline.AddRetry(Retry(service, adapter, postIsSafe, context.ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger("NovaLxd.OpenStack.Retries")));
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

    private static HttpRetryStrategyOptions Retry(string service, AdapterOptions adapter, bool postIsSafe, ILogger logger) => new()
    {
        MaxRetryAttempts = adapter.Retries,
        Delay = adapter.RetryDelay,
        BackoffType = DelayBackoffType.Exponential,
        UseJitter = true,
        MaxDelay = MaxPause,
        ShouldHandle = arguments => ValueTask.FromResult(IsWorthRepeating(arguments.Context.GetRequestMessage(), postIsSafe, arguments.Outcome)),
        OnRetry = arguments =>
        {
            var request = arguments.Context.GetRequestMessage();
            var why = arguments.Outcome.Exception?.Message ?? $"answer {(int?)arguments.Outcome.Result?.StatusCode}";
            Repeating(logger, service, request?.Method, request?.RequestUri, why, arguments.AttemptNumber + 1, adapter.Retries, arguments.RetryDelay.TotalSeconds);
            return ValueTask.CompletedTask;
        },
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Service}: {Method} {Url} failed ({Why}); repetition {Number} of {Most} follows in {Seconds:0.0} s")]
    private static partial void Repeating(ILogger logger, string service, HttpMethod? method, Uri? url, string why, int number, int most, double seconds);
}
