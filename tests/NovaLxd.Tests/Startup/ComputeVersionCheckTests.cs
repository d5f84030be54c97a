using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;
using NovaLxd.Instances;
using NovaLxd.Resources;
using NovaLxd.Startup;
using NovaLxd.TestCloud.Conductor;
using NovaLxd.Tests.Fakes;

namespace NovaLxd.Tests.Startup;

public sealed class ComputeVersionCheckTests
{
    private readonly TestPlane _plane = new(FakeRelease.Gazpacho, "2026.1");
    private readonly LogLines<ComputeVersionCheck> _log = new();

    [Fact]
    public async Task AComputeServiceOlderThanThePlaneSupportsStopsTheStart()
    {
        AddService("cmp1", 72);
        AddService("cmp2", 67);

        var fault = await Assert.ThrowsAsync<TooOldComputeServiceException>(() => EnsureAsync());

        Assert.Contains("service version 67", fault.Message, StringComparison.Ordinal);
        Assert.Contains("none older than 68", fault.Message, StringComparison.Ordinal);
        Assert.Contains("disable_compute_service_check_for_ffu", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task InAFastForwardUpgradeItIsAWarning()
    {
        AddService("cmp2", 67);

        await EnsureAsync(new WorkaroundOptions { DisableComputeServiceCheckForFfu = true });

        var (level, text) = Assert.Single(_log.Lines);
        Assert.Equal(LogLevel.Warning, level);
        Assert.Contains("service version 67", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OneOfTheOldestReleaseThatIsSupportedIsFine()
    {
        AddService("cmp2", 68);

        await EnsureAsync();

        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task TheFirstComputeServiceOfACellStarts()
    {
        await EnsureAsync();

        Assert.Contains("Service.get_minimum_version", _plane.Conductor.Requests);
    }

    /// <summary>Of a host that is down for good, and was said to be.</summary>
    [Fact]
    public async Task AServiceThatIsForcedDownDoesNotCount()
    {
        AddService("cmp2", 61)["forced_down"] = true;
        AddService("cmp1", 72);

        await EnsureAsync();

        Assert.Empty(_log.Lines);
    }

    /// <summary>Release by release, nova/objects/service.py:OLDEST_SUPPORTED_SERVICE_VERSION.</summary>
    [Theory]
    [InlineData(64, 61)]
    [InlineData(66, 61)]
    [InlineData(67, 66)]
    [InlineData(68, 66)]
    [InlineData(70, 68)]
    [InlineData(72, 68)]
    [InlineData(73, 72)]
    public void WhatIsTooOldDependsOnTheRelease(int plane, int oldest) => Assert.Equal(oldest, Learned(plane).OldestCompute);

    private static ControlPlane Learned(int version)
    {
        var plane = new ControlPlane();
        plane.Learn(version);
        return plane;
    }

    private Task EnsureAsync(WorkaroundOptions? workarounds = null) =>
        new ComputeVersionCheck(_plane.Client, Learned(72), workarounds ?? new(), _log).EnsureAsync(_plane.Context, default);

    private JObject AddService(string host, int version)
    {
        var row = new JObject { ["host"] = host, ["binary"] = "nova-compute", ["version"] = version };
        _plane.Conductor.Services.Add(row);
        return row;
    }
}
