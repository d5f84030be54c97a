using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using NovaLxd.TestCloud.Http;

namespace NovaLxd.OpenStack.Tests.Contract;

/// <summary>Answers a recorded request with the recorded answer, and anything else with 599.</summary>
internal sealed class RecordedCloud(IReadOnlyList<Recording> recordings) : FakeService("recorded")
{
    protected override string ErrorBody(HttpContext context, int status, string message, string code) => message;

    protected override void Map(IEndpointRouteBuilder routes) => routes.MapFallback("{**path}", context =>
    {
        var line = Requests[^1];
        var found = recordings.FirstOrDefault(r => r.Method == line.Method && Recording.PathOf(r.Path) == line.Path
            && Recording.Query(r.Path).SequenceEqual(Recording.Query(line.PathAndQuery)) && Recording.SameBody(r.Body, line.Json));
        return found is null ? WriteAsync(context, 599, null) : WriteAsync(context, found.Status, found.Response);
    });
}
