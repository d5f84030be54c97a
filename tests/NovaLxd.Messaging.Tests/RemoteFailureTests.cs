using Newtonsoft.Json.Linq;
using NovaLxd.Messaging.Wire;

namespace NovaLxd.Messaging.Tests;

public sealed class RemoteFailureTests
{
    [Fact]
    public void ReadsARecordedFailureOfNova()
    {
        var failure = ReplyPayload.Read(Recorded.Payload("failure")).Failure!;

        Assert.Equal(
            ("nova.exception", "ComputeHostNotFound", "Compute host cmp1 could not be found."), (failure.Module, failure.Class, failure.Message));
        Assert.Equal(404, (int?)failure.Kwargs["code"]);
        Assert.Equal("Compute host cmp1 could not be found.", (string?)failure.Args[0]);
        Assert.StartsWith("Traceback", failure.Traceback[0], StringComparison.Ordinal);
        Assert.True(new RemoteFailureException(failure).IsNova("ComputeHostNotFound"));
    }

    [Fact]
    public void WritesWhatItRead()
    {
        var recorded = Recorded.Payload("failure");

        var written = ReplyPayload.Read(recorded).Write();

        Assert.Equal(recorded.Properties().Select(p => p.Name).Order(), written.Properties().Select(p => p.Name).Order());
        Assert.True(JToken.DeepEquals(OsloJson.Parse(recorded["failure"]!.ToString()), OsloJson.Parse(written["failure"]!.ToString())));
    }

    [Theory]
    [InlineData("nova.exception_Remote", "InstanceNotFound_Remote", "nova.exception", "InstanceNotFound")]
    [InlineData("nova.exception", "InstanceNotFound_Remote", "nova.exception", "InstanceNotFound")]
    [InlineData("exceptions", "ValueError", "builtins", "ValueError")]
    public void RemotePostfixIsStripped(string module, string name, string expectedModule, string expectedName)
    {
        var failure = RemoteFailure.FromJson(new JObject { ["module"] = module, ["class"] = name });

        Assert.Equal((expectedModule, expectedName), (failure.Module, failure.Class));
    }

    [Fact]
    public void FailureOfAnotherServiceGoesOnAsItCame()
    {
        var failure = RemoteFailure.Nova("InstanceNotFound", "Instance x could not be found.", 404, new JObject { ["instance_id"] = "x" });

        Assert.Same(failure, RemoteFailure.From(new RemoteFailureException(failure)));
        Assert.Equal("""{"instance_id":"x","code":404}""", failure.Kwargs.ToString(Newtonsoft.Json.Formatting.None));
    }

    [Fact]
    public void UntranslatedExceptionKeepsItsNameAndStack()
    {
        var exception = new InvalidOperationException("no such thing");

        var failure = RemoteFailure.From(exception).WithTraceback(exception);

        Assert.Equal(("System", "InvalidOperationException", "no such thing"), (failure.Module, failure.Class, failure.Message));
        Assert.Contains("no such thing", failure.Traceback[0], StringComparison.Ordinal);
    }
}
