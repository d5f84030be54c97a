using System.Text;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Objects;
using NovaLxd.Tests.Fakes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Operations.Guest;

public sealed class SetAdminPasswordTests
{
    private const string Password = "s3cret:with colon";
    private readonly TestPlane _plane = new();

    public SetAdminPasswordTests()
    {
        _plane.Driver.States[Guid.Parse(_plane.Instance.Uuid)] = ContainerState.Running;
        _plane.Row["task_state"] = TaskState.UpdatingPassword;
    }

    [Fact]
    public async Task ChpasswdGetsUserAndPasswordOnItsInput()
    {
        _plane.Guest.Program = _ => 0;

        Assert.Null(await SetAsync(Password));

        var request = Assert.Single(_plane.Guest.Requests);
        Assert.Equal(["chpasswd"], request.Command);
        Assert.Equal($"root:{Password}\n", Encoding.UTF8.GetString(request.StandardInput));
        Assert.Empty(request.Environment);
        Assert.Equal(0, request.MaxOutputBytes);
        Assert.True(request.Timeout < TimeSpan.FromSeconds(60));
        Assert.Null((string?)_plane.Row["task_state"]);
        Assert.Equal("Success", _plane.Action.Events[0].Result);
    }

    [Fact]
    public async Task WhereThereIsNoneBusyboxIsAskedWhichAsksTwice()
    {
        _plane.Guest.Program = request => request.Command[0] == "passwd" ? 0 : 127;

        await SetAsync(Password);

        Assert.Equal(["passwd", "-a", "sha512", "root"], _plane.Guest.Requests[1].Command);
        Assert.Equal($"{Password}\n{Password}\n", Encoding.UTF8.GetString(_plane.Guest.Requests[1].StandardInput));
    }

    [Fact]
    public async Task TheImageNamesTheAdministrator()
    {
        _plane.Row["system_metadata"]!["image_os_admin_user"] = "debian";
        _plane.Instance.SystemMetadata["image_os_admin_user"] = "debian";
        _plane.Guest.Program = _ => 0;

        await SetAsync(Password);

        Assert.StartsWith("debian:", Encoding.UTF8.GetString(_plane.Guest.Requests[0].StandardInput), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AGuestWithoutSuchProgramsCannotBeServed()
    {
        var failure = await FailAsync(Password);

        Assert.Equal("SetAdminPasswdNotSupported", failure.Class);
        Assert.Equal(400, (int?)failure.Kwargs["code"]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(137)]
    public async Task AProgramThatRefusesIsAFailureWithoutThePassword(int status)
    {
        _plane.Guest.Program = _ => status;

        var failure = await FailAsync(Password);

        Assert.Equal("InstancePasswordSetFailed", failure.Class);
        Assert.Contains($"status {status}", failure.Message, StringComparison.Ordinal);
        Assert.Single(_plane.Guest.Requests);
        Assert.DoesNotContain("s3cret", _plane.Conductor.Faults[0].ToString() + failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("two\nroot2:lines")]
    [InlineData("two\rlines")]
    [InlineData("nul\0")]
    [InlineData("")]
    public async Task WhatWouldBeAnotherLineForTheProgramNeverReachesIt(string password)
    {
        _plane.Guest.Program = _ => 0;

        Assert.Equal("InstancePasswordSetFailed", (await FailAsync(password)).Class);
        Assert.Empty(_plane.Guest.Requests);
    }

    [Theory]
    [InlineData("-e")]
    [InlineData("root:x\nroot")]
    public async Task AnAdministratorThatIsNoNameIsRefused(string user)
    {
        _plane.Instance.SystemMetadata["image_os_admin_user"] = user;
        _plane.Guest.Program = _ => 0;

        Assert.Contains("os_admin_user", (await FailAsync(Password)).Message, StringComparison.Ordinal);
        Assert.Empty(_plane.Guest.Requests);
    }

    [Theory]
    [InlineData(ContainerState.Stopped)]
    [InlineData(ContainerState.Frozen)]
    public async Task AGuestThatDoesNotRunIsNotEntered(ContainerState state)
    {
        _plane.Driver.States[Guid.Parse(_plane.Instance.Uuid)] = state;

        var failure = await FailAsync(Password);

        Assert.Equal("InstancePasswordSetFailed", failure.Class);
        Assert.Contains("is not running", failure.Message, StringComparison.Ordinal);
        Assert.Empty(_plane.Guest.Requests);
    }

    [Fact]
    public async Task WhatNobodyForesawTellsNothing()
    {
        _plane.Guest.Program = _ => throw new InvalidOperationException(Password);

        var failure = await FailAsync(Password);

        Assert.Equal("InstancePasswordSetFailed", failure.Class);
        Assert.DoesNotContain("s3cret", _plane.Conductor.Faults[0].ToString() + failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADeleteThatCameBetweenIsNotOverwritten()
    {
        _plane.Guest.Program = _ => 0;
        _plane.Row["task_state"] = TaskState.Deleting;

        var failure = await Assert.ThrowsAsync<RpcFailureException>(() => SetAsync(Password));

        Assert.Equal("UnexpectedDeletingTaskStateError", failure.Failure.Class);
        Assert.Equal("deleting", (string?)_plane.Row["task_state"]);
    }

    private Task<JToken?> SetAsync(string password) => _plane.RunAsync("set_admin_password", new JObject { ["new_pass"] = password });

    /// <summary>Every failure leaves the server active and without a task, and its event and fault say so.</summary>
    private async Task<RemoteFailure> FailAsync(string password)
    {
        var failure = await Assert.ThrowsAsync<RpcFailureException>(() => SetAsync(password));
        Assert.Equal(("active", null), ((string?)_plane.Row["vm_state"], (string?)_plane.Row["task_state"]));
        Assert.Equal("Error", _plane.Action.Events[0].Result);
        Assert.Single(_plane.Conductor.Faults);
        Assert.Equal(["exception set_admin_password"], _plane.Notifier.Events);
        return failure.Failure;
    }
}
