using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace NovaLxd.TestCloud.Http;

/// <summary>
/// A stateful HTTP service on a loopback port. Routes change state under one lock and throw <see cref="ServiceFailureException"/> to refuse;
/// what was asked is kept in <see cref="Requests"/>; <see cref="Faults"/> makes it misbehave; <see cref="GoDownAsync"/> makes it unreachable.
/// </summary>
public abstract class FakeService(string name) : IAsyncDisposable
{
    private readonly ConcurrentQueue<RecordedRequest> requests = new();
    private WebApplication? application;
    private int port;

    public string Name { get; } = name;

    public string Url => $"http://127.0.0.1:{port}";

    public FaultPlan Faults { get; } = new();

    /// <summary>In the order of arrival.</summary>
    public IReadOnlyList<RecordedRequest> Requests => [.. requests];

    protected Lock State { get; } = new();

    public void ForgetRequests() => requests.Clear();

    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = null;
        });
        application = builder.Build();
        application.Use(HandleAsync);
        Map(application);
        await application.StartAsync(cancellationToken);
        port = new Uri(application.Urls.First()).Port;
    }

    /// <summary>Stops listening and cuts all connections; state and port are kept.</summary>
    public async Task GoDownAsync()
    {
        if (application is not { } running)
            return;
        application = null;
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await running.StopAsync(now.Token);
        await running.DisposeAsync();
    }

    /// <summary>Listens again on the same port.</summary>
    public Task ComeUpAsync() => StartAsync();

    public async ValueTask DisposeAsync()
    {
        await GoDownAsync();
        GC.SuppressFinalize(this);
    }

    protected abstract void Map(IEndpointRouteBuilder routes);

    /// <summary>The body of an error in the service's own shape.</summary>
    protected abstract string ErrorBody(HttpContext context, int status, string message, string code);

    /// <summary>Runs before every route: authentication, microversion.</summary>
    protected virtual void Check(HttpContext context)
    {
    }

    /// <summary>A route whose handler runs under the state lock and returns the status and the JSON to answer with.</summary>
    protected void Route(IEndpointRouteBuilder routes, string method, string pattern, Func<FakeRequest, (int Status, JToken? Body)> handler) =>
        routes.MapMethods(pattern, [method], async context =>
        {
            var request = new FakeRequest(context, context.Items["body"] as string ?? "");
            (int Status, JToken? Body) answer;
            lock (State)
                answer = handler(request);
            await WriteAsync(context, answer.Status, answer.Body);
        });

    protected static Task WriteAsync(HttpContext context, int status, JToken? body)
    {
        context.Response.StatusCode = status;
        if (body is null)
            return Task.CompletedTask;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(body.ToString(Formatting.None));
    }

    /// <summary>Whether the request's body is data to be streamed and not JSON to be read beforehand.</summary>
    protected virtual bool IsData(HttpRequest request) => false;

    private async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        var http = context.Request;
        var target = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        var body = "";
        if (!IsData(http))
        {
            // As behind uwsgi, which gives the application a chunked body as an empty one.
            if (http.Headers.TransferEncoding.Count > 0)
                http.Body = Stream.Null;
            using var reader = new StreamReader(http.Body, Encoding.UTF8);
            body = await reader.ReadToEndAsync(context.RequestAborted);
        }

        context.Items["body"] = body;
        var headers = http.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        var recorded = new RecordedRequest(http.Method, target, headers, body);
        requests.Enqueue(recorded);

        // Before the client can have read the answer.
        context.Response.OnStarting(() =>
        {
            recorded.Status = context.Response.StatusCode;
            return Task.CompletedTask;
        });
        context.Response.Headers["x-openstack-request-id"] = $"req-{Guid.NewGuid()}";

        if (Faults.Next(http.Method, target) is not { } fault)
        {
            await AnswerAsync(context, next);
        }
        else
        {
            await Task.Delay(fault.Delay, context.RequestAborted);
            if (fault.AfterEffect)
                await DiscardAsync(context, next);
            await MisbehaveAsync(context, fault, next);
        }

        recorded.Status = context.Response.StatusCode;
    }

    private async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            Check(context);
            await next(context);
        }
        catch (ServiceFailureException e)
        {
            context.Response.StatusCode = e.Status;
            await context.Response.WriteAsync(ErrorBody(context, e.Status, e.Message, e.Code));
        }
    }

    /// <summary>Does the work and throws the answer away.</summary>
    private async Task DiscardAsync(HttpContext context, RequestDelegate next)
    {
        var original = context.Response.Body;
        context.Response.Body = Stream.Null;
        await AnswerAsync(context, next);
        context.Response.Body = original;
        context.Response.ContentLength = null;
    }

    private async Task MisbehaveAsync(HttpContext context, Fault fault, RequestDelegate next)
    {
        if (fault.Abort)
        {
            context.Abort();
            return;
        }

        if (fault.AbortAfterBytes is { } limit)
        {
            context.Response.Body = new CuttingStream(context.Response.Body, limit, context.Abort);
            await AnswerAsync(context, next);
            return;
        }

        if (fault.RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (fault.Status == 0)
        {
            if (!fault.AfterEffect)
                await AnswerAsync(context, next);
            return;
        }

        context.Response.StatusCode = fault.Status;
        var text = fault.Body ?? ErrorBody(context, fault.Status, $"made to fail with {fault.Status}", "");
        await context.Response.WriteAsync(text);
    }
}

/// <summary>A request as a route sees it.</summary>
public sealed class FakeRequest(HttpContext context, string body)
{
    public HttpContext Context { get; } = context;

    public JObject Json => JsonConvert.DeserializeObject<JObject>(body, new JsonSerializerSettings { DateParseHandling = DateParseHandling.None })
        ?? throw new ServiceFailureException(400, "The request has no JSON body.");

    public bool HasBody => body.Length > 0;

    public string this[string routeValue] => (string)Context.Request.RouteValues[routeValue]!;

    public string? Query(string parameter) => Context.Request.Query[parameter].FirstOrDefault();

    public IReadOnlyList<string> QueryAll(string parameter) => [.. Context.Request.Query[parameter].OfType<string>()];

    public string? Header(string name) => Context.Request.Headers[name].FirstOrDefault();
}
