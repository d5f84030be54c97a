using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json.Linq;
using NovaLxd.Configuration;
using NovaLxd.Messaging;
using NovaLxd.Periodic;
using NovaLxd.Resources;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Periodic;

/// <summary>What is not reclaimed; there is nothing here that could delete an instance. What is, real containers show.</summary>
public sealed class ReclaimQueuedDeletesTests
{
    private readonly TestPlane _plane = new();

    public ReclaimQueuedDeletesTests()
    {
        _plane.Row["vm_state"] = "soft-delete";
        _plane.Row["task_state"] = null;
        _plane.Row["deleted_at"] = "2026-11-24T01:00:00Z";
    }

    [Fact]
    public async Task NothingIsAskedForWithoutSoftDelete()
    {
        await RunAsync(TimeSpan.Zero);

        Assert.Empty(_plane.Conductor.Requests);
    }

    [Fact]
    public async Task WhatWasDeletedLaterThanTheIntervalAgoStays()
    {
        await RunAsync(TimeSpan.FromHours(3));

        Assert.Equal(["InstanceList.get_by_filters", "Instance.get_by_uuid"], _plane.Conductor.Requests);
    }

    [Theory]
    [InlineData("vm_state", "active")]
    [InlineData("task_state", "restoring")]
    [InlineData("host", "cmp2")]
    public async Task WhatBecameSomethingElseMeanwhileStays(string field, string value)
    {
        _plane.Conductor.Interfere = (name, _) =>
        {
            if (name == "Instance.get_by_uuid")
            {
                _plane.Row[field] = new JValue(value);
            }

            return Task.CompletedTask;
        };

        await RunAsync(TimeSpan.FromMinutes(1));

        Assert.Equal(["InstanceList.get_by_filters", "Instance.get_by_uuid"], _plane.Conductor.Requests);
    }

    private Task RunAsync(TimeSpan interval) => new ReclaimQueuedDeletes(
        _plane.Client, null!, _plane.Locks, new ResourceOptions { ReclaimInstanceInterval = interval }, new ServiceOptions { Host = TestPlane.HostName },
        _plane.Time, NullLogger<ReclaimQueuedDeletes>.Instance).RunAsync(RequestContext.CreateAdmin(), CancellationToken.None);
}
