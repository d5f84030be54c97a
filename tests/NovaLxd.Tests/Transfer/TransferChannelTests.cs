using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NovaLxd.Configuration;
using NovaLxd.Tests.Fakes;
using NovaLxd.Transfer;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Transfer;

/// <summary>How a container comes through the channel, and what becomes of it when it does not.</summary>
public sealed class TransferChannelTests : TransferChannelFixture
{
    [Fact]
    public async Task AContainerGoesFromOneHostToTheOther()
    {
        await ServeAsync();

        await SendAsync();

        var arrival = Assert.Single(_transfers.Arrivals);
        Assert.True(arrival.Completed);
        Assert.Equal(_departure.Content("root"), arrival.Content("root"));
        Assert.Single(arrival.Manifest.Parts);
    }

    [Fact]
    public async Task TheImageComesAlongWhereThereIsNoOtherWayToIt()
    {
        _driver.Images.Clear();
        await ServeAsync();

        await SendAsync();

        var arrival = Assert.Single(_transfers.Arrivals);
        Assert.True(arrival.Completed);
        Assert.Equal(_departure.Content("image"), arrival.Content("image"));
    }

    [Fact]
    public async Task ABrokenConnectionGoesOnWhereItBroke()
    {
        await ServeAsync();
        await using var link = Link(breaks: 2, after: 2_500_000);

        await SendAsync(address: "127.0.0.2");

        Assert.Equal(3, link.Connections);
        var arrival = Assert.Single(_transfers.Arrivals);
        Assert.Equal(arrival.Offsets.Distinct(), arrival.Offsets);
        Assert.True(arrival.Completed);
        Assert.Equal(_departure.Content("root"), arrival.Content("root"));
    }

    [Fact]
    public async Task AReceiverThatForgotIsToldAllOfItAgain()
    {
        var receiver = await ServeAsync();
        var forgotten = false;
        _transfers.Fault = offset => offset < 4 << 20 || forgotten ? null : (Exception)new ObjectDisposedException("restarted" + (forgotten = true));

        var sending = SendAsync();
        await sending;

        Assert.NotNull(receiver);
        Assert.True(_transfers.Arrivals[^1].Completed);
        Assert.Equal(_departure.Content("root"), _transfers.Arrivals[^1].Content("root"));
    }

    [Fact]
    public async Task AReceiverThatStallsIsGivenUpAfterTheRetryTime()
    {
        await ServeAsync();
        await using var link = Link(breaks: int.MaxValue, after: 1_000_000, stalls: true);

        var failure = await Assert.ThrowsAsync<TransferFailedException>(
            () => SendAsync(address: "127.0.0.2", retry: TimeSpan.FromSeconds(3), request: TimeSpan.FromSeconds(1)));

        Assert.Contains("no answer within", failure.Message, StringComparison.Ordinal);
        Assert.Contains(Target, failure.Message, StringComparison.Ordinal);
        Assert.False(Assert.Single(_transfers.Arrivals).Completed);
    }

    [Fact]
    public async Task NobodyThereIsSaidSo()
    {
        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync(retry: TimeSpan.FromSeconds(1)));
        Assert.Contains("Connection refused", failure.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task DamagedDataAreRefusedAndNotKept()
    {
        _transfers.Damages = true;
        await ServeAsync();

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("damaged on the way", failure.Message, StringComparison.Ordinal);
        Assert.True(Assert.Single(_transfers.Arrivals) is { Completed: false, Disposed: true });
    }

    [Fact]
    public async Task AFullDiskIsSaidSoAndWhatCameIsNotKept()
    {
        _transfers.Fault = offset => offset > 3 << 20 ? new OutOfSpaceException("the disk became full") : null;
        await ServeAsync();

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("the disk became full", failure.Message, StringComparison.Ordinal);
        Assert.True(Assert.Single(_transfers.Arrivals) is { Completed: false, Disposed: true });
    }

    [Fact]
    public async Task NoRoomIsSaidBeforeAnythingIsSent()
    {
        _transfers.ExpectFault = new OutOfSpaceException("this host has 3 MiB left");
        await ServeAsync();

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("3 MiB left", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_transfers.Arrivals);
    }

    [Fact]
    public async Task NoMoreContainersArriveAtOnceThanTheLimit()
    {
        await ServeAsync(limit: 1);
        using var client = Client();
        Assert.True((await client.PutAsync(Url(""), new ByteArrayContent(_departure.Manifest.ToJson()))).IsSuccessStatusCode);
        var second = new FakeDeparture(Guid.NewGuid(), 1);

        var answer = await client.PutAsync(Url("", second.Manifest.Spec.Id), new ByteArrayContent(second.Manifest.ToJson()));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);

        Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync(Url(""))).StatusCode);
        Assert.True(_transfers.Arrivals[0].Disposed);
        answer = await client.PutAsync(Url("", second.Manifest.Spec.Id), new ByteArrayContent(second.Manifest.ToJson()));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task ARunningContainerOfTheSameInstanceIsNotTouched()
    {
        _driver.States[_id] = ContainerState.Running;
        await ServeAsync();

        var failure = await Assert.ThrowsAsync<TransferFailedException>(() => SendAsync());

        Assert.Contains("runs on this host already", failure.Message, StringComparison.Ordinal);
        Assert.True(_driver.States.ContainsKey(_id));
    }

    [Fact]
    public async Task AContainerLeftByAnEarlierMoveMakesRoom()
    {
        _driver.States[_id] = ContainerState.Stopped;
        await ServeAsync();
        await SendAsync();
        Assert.Empty(_driver.States);
        Assert.True(Assert.Single(_transfers.Arrivals).Completed);
    }
}
