using System.Text;
using NovaLxd.Instances;
using NovaLxd.Objects;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Instances;

public sealed class GuestFilesTests
{
    [Fact]
    public void AGuestKnowsItselfAndTheNameserversOfItsNetworks()
    {
        var files = GuestFiles.From("web1", new NetworkInfo([Port("10.0.0.2", "10.0.0.3"), Port("10.0.0.3", "2001:db8::1", "10.0.0.4")]));

        Assert.Equal(["/etc/hosts", "/etc/resolv.conf"], files.Select(file => file.Path));
        Assert.Equal(
            ["127.0.0.1 localhost\n127.0.1.1 web1\n::1 localhost ip6-localhost ip6-loopback\n", "nameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 2001:db8::1\n"],
            files.Select(file => Encoding.UTF8.GetString(file.Content)));
        Assert.All(files, file => Assert.Contains("/usr/bin/cloud-init", file.UnlessThere!));
    }

    [Fact]
    public void WhereNoNetworkNamesOneNothingIsSaidOfThem() =>
        Assert.Equal(["/etc/hosts"], GuestFiles.From("web1", new NetworkInfo([Port()])).Select(file => file.Path));

    private static Vif Port(params string[] servers) => new()
    {
        Id = "port",
        Network = new VifNetwork { Subnets = [new Subnet { Dns = [.. servers.Select(server => new IpAddress { Address = server })] }] },
    };
}
