using NovaLxd.Virt.Tests.Fakes;

namespace NovaLxd.Virt.Tests;

/// <summary>What the interfaces are called inside: kept by those that stay, in the order of the list by those that come.</summary>
public sealed class GuestNamesTests
{
    [Fact]
    public void FirstPortsAreNumberedInOrder() => Assert.Equal("3:eth0 1:eth1 2:eth2", After([3, 1, 2]));

    [Fact]
    public void WhatStaysKeepsItsNameWhenOneGoesFromTheMiddle() => Assert.Equal("1:eth0 3:eth2", After([1, 2, 3], [1, 3]));

    [Fact]
    public void ANewOneComesAfterThoseBeforeIt() => Assert.Equal("1:eth0 3:eth2 4:eth3", After([1, 2, 3], [1, 3], [1, 3, 4]));

    [Fact]
    public void ANewOneBeforeTheOthersTakesAFreeNumber() => Assert.Equal("4:eth0 2:eth1", After([1, 2], [2], [4, 2]));

    [Fact]
    public void TheLastNumberIsUsedAgain() => Assert.Equal("1:eth0 3:eth1", After([1, 2], [1], [1, 3]));

    [Fact]
    public void WithoutPortsTheNumbersBeginAnew() => Assert.Equal("2:eth0", After([1], [], [2]));

    [Fact]
    public void AnotherOrderRenamesNobody() => Assert.Equal("2:eth1 1:eth0", After([1, 2], [2, 1]));

    [Fact]
    public void ARecordWithoutNamesHasThoseOfThePlaces()
    {
        var old = new ContainerSituation { Ports = [DriverHost.Port(1), DriverHost.Port(2), DriverHost.Port(3)] };
        Assert.Equal("eth1", GuestNames.Of(old, DriverHost.Port(2)));
        Assert.Equal("1:eth0 3:eth2", Text(GuestNames.Assign(old, [DriverHost.Port(1), DriverHost.Port(3)]), [1, 3]));
        Assert.Throws<ArgumentException>(() => GuestNames.Of(old, DriverHost.Port(4)));
    }

    /// <summary>The names after these lists of ports, one set after the other.</summary>
    private static string After(params int[][] lists)
    {
        var situation = new ContainerSituation();
        foreach (var list in lists)
        {
            IReadOnlyList<PortSpec> ports = [.. list.Select(number => DriverHost.Port(number))];
            situation = new ContainerSituation { Ports = ports, GuestNames = GuestNames.Assign(situation, ports) };
        }

        return Text(situation.GuestNames!, lists[^1]);
    }

    private static string Text(IReadOnlyDictionary<Guid, string> names, int[] ports) =>
        string.Join(' ', ports.Select(number => $"{number}:{names[DriverHost.Port(number).Id]}"));
}
