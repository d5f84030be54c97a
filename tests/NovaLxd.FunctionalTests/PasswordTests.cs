using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Newtonsoft.Json.Linq;
using NovaLxd.FunctionalTests.Site;
using NovaLxd.Messaging;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests;

/// <summary>The administrator's password, set in real guests by their own programs.</summary>
[Collection("site"), Trait("Lane", "functional")]
public sealed class PasswordTests(Broker broker) : IAsyncLifetime
{
    private const string Password = "Newpass1234";
    private ComputeSite _site = null!;

    public async Task InitializeAsync() => _site = await ComputeSite.StartAsync(broker.Rabbit);

    public Task DisposeAsync() => _site.DisposeAsync().AsTask();

    /// <summary>Debian's busybox has passwd and no chpasswd.</summary>
    [Fact]
    public async Task BusyboxHashesItIntoItsShadowFile()
    {
        var server = await CreateAsync(chpasswd: null);

        Assert.Null(await SetAsync(server, Password));

        Assert.StartsWith("root:$6$", await ReadAsync(server, "/etc/shadow"), StringComparison.Ordinal);
        var row = await _site.RowAsync(server);
        Assert.Equal(("active", null), ((string?)row["vm_state"], (string?)row["task_state"]));
    }

    [Fact]
    public async Task ASystemsOwnProgramGetsItOnItsInputAndInAllItsNamespaces()
    {
        var server = await CreateAsync("#!/bin/sh\ncat > /root/input\necho $$ > /root/pid\nhostname > /root/host\n");

        Assert.Null(await SetAsync(server, Password));

        Assert.Equal($"root:{Password}\n", await ReadAsync(server, "/root/input"));
        Assert.StartsWith("guest", await ReadAsync(server, "/root/host"), StringComparison.Ordinal);
        Assert.InRange(int.Parse(await ReadAsync(server, "/root/pid"), System.Globalization.CultureInfo.InvariantCulture), 2, 1000);
    }

    /// <summary>Its output is bounded, its input not read, and what it prints, be it the password, is nowhere.</summary>
    [Fact]
    public async Task AHostileProgramFailsAndTellsNothing()
    {
        var server = await CreateAsync("#!/bin/sh\nread line\necho got $line\ndd if=/dev/zero bs=65536 count=500 2>/dev/null\necho got $line >&2\nexit 3\n");

        var failure = await Assert.ThrowsAsync<RemoteFailureException>(() => SetAsync(server, Password));

        Assert.True(failure.IsNova("InstancePasswordSetFailed"));
        Assert.Contains("status 3", _site.Fault(server), StringComparison.Ordinal);
        Assert.DoesNotContain(Password, _site.Log(), StringComparison.Ordinal);
        Assert.DoesNotContain("got ", _site.Log(), StringComparison.Ordinal);
        var row = await _site.RowAsync(server);
        Assert.Equal(("active", null), ((string?)row["vm_state"], (string?)row["task_state"]));
    }

    [Fact]
    public async Task AStoppedServerIsLeftStopped()
    {
        var server = await CreateAsync(chpasswd: null);
        Assert.Equal("Success", await _site.ActAsync(server, "stop_instance", "powering-off", new JObject { ["clean_shutdown"] = false }));

        var failure = await Assert.ThrowsAsync<RemoteFailureException>(() => SetAsync(server, Password));

        Assert.True(failure.IsNova("InstancePasswordSetFailed"));
        Assert.Contains("is not running", failure.Message, StringComparison.Ordinal);
        await _site.StateAsync(server, "stopped");
    }

    /// <param name="chpasswd">The program's text; null: it has none.</param>
    private async Task<Server> CreateAsync(string? chpasswd) => await _site.CreateActiveAsync(new ServerRequest
    {
        ImageId = _site.AddImage(BusyboxImage.Make(more: tar =>
        {
            BusyboxImage.AddLink(tar, "bin/passwd", "busybox");
            BusyboxImage.AddFile(tar, "etc/shadow", "root:*:19000:0:99999:7:::\n"u8.ToArray(), executable: false);
            if (chpasswd is not null)
            {
                BusyboxImage.AddFile(tar, "sbin/chpasswd", Encoding.UTF8.GetBytes(chpasswd), executable: true);
            }
        })),
    });

    /// <summary>As the API does it: action, task, call.</summary>
    private async Task<JToken?> SetAsync(Server server, string password)
    {
        var requestId = $"req-{Guid.NewGuid()}";
        _site.Plane.Conductor.AddAction(server.Uuid, "changePassword", requestId);
        _site.Plane.Conductor.Locked(c => c.Instances[server.Uuid]["task_state"] = "updating_password");
        return await _site.Plane.Api.CallAsync(
            new RpcTarget("compute", _site.Mark, null, "6.0"), _site.Plane.NewContext(requestId), "set_admin_password",
            new JObject { ["instance"] = await _site.Plane.GetInstanceAsync(server.Uuid), ["new_pass"] = password }, null);
    }

    private async Task<string> ReadAsync(Server server, string file)
    {
        var result = await _site.Services.GetRequiredService<IGuestAccess>().ExecAsync(
            Guid.Parse(server.Uuid), new ExecRequest { Command = ["cat", file], Timeout = TimeSpan.FromMinutes(5) }, CancellationToken.None);
        Assert.Equal(0, result.ExitCode);
        return Encoding.UTF8.GetString(result.StandardOutput);
    }
}
