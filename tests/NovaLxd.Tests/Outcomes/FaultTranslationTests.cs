using System.Reflection;
using System.Runtime.CompilerServices;
using Newtonsoft.Json.Linq;
using NovaLxd.Messaging;
using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Tests.Outcomes;

public sealed class FaultTranslationTests
{
    private static readonly JObject Codes = (JObject)Recorded.Json("rpc/nova-exception-codes.json");

    /// <summary>Classes that nova.exception has only in releases after Zed.</summary>
    private static readonly string[] LaterThanZed = ["DuplicateRecord", "IncompatibleObjectVersion"];

    [Fact]
    public void EveryClassIsOneOfNovas()
    {
        foreach (var (name, _) in FaultTranslation.NovaClasses.Where(c => !LaterThanZed.Contains(c.Class)))
        {
            Assert.True(Codes.ContainsKey(name), $"nova.exception has no {name}.");
        }
    }

    [Fact]
    public void EveryOutcomeHasARow()
    {
        var rows = FaultTranslation.NovaClasses.Select(c => c.Outcome).Append(typeof(NotSupportedByDriverException)).ToHashSet();
        foreach (var type in Types().Where(t => t != typeof(InstanceFaultRollbackException)))
        {
            Assert.True(rows.Contains(type), $"{type.Name} has no row.");
        }
    }

    [Fact]
    public void CodesAreNovas()
    {
        foreach (var type in Types().Where(t => t != typeof(NotSupportedByDriverException) && t != typeof(InstanceFaultRollbackException)))
        {
            var failure = FaultTranslation.ToRemote(Make(type));
            if (!LaterThanZed.Contains(failure.Class))
            {
                Assert.Equal((failure.Class, (int)Codes[failure.Class]!), (failure.Class, (int)failure.Kwargs["code"]!));
            }
        }
    }

    [Fact]
    public void TheApiFindsWhatItReadsOfAnInvalidState()
    {
        var failure = FaultTranslation.ToRemote(new InstanceInvalidStateException("u", "power_state", "shutdown", "get_diagnostics"));

        Assert.Equal(("nova.exception", "InstanceInvalidState"), (failure.Module, failure.Class));
        Assert.Equal(["Cannot get_diagnostics instance u: its power_state is shutdown."], failure.Args.Select(a => (string)a!));
        Assert.Equal(("power_state", "shutdown"), ((string?)failure.Kwargs["attr"], (string?)failure.Kwargs["state"]));
    }

    [Fact]
    public void NotSupportedIsPythonsOwn()
    {
        var failure = FaultTranslation.ToRemote(new NotSupportedByDriverException("no"));

        Assert.Equal(("builtins", "NotImplementedError"), (failure.Module, failure.Class));
        Assert.Empty(failure.Kwargs);
    }

    [Fact]
    public void WhatComesFromTheConductorIsTheOutcomeAgain()
    {
        var sent = new UnexpectedDeletingTaskStateException("m") { Expected = new JObject { ["task_state"] = "x" }, Actual = new JObject { ["task_state"] = "deleting" } };

        var back = FaultTranslation.FromRemote(new RemoteFailureException(FaultTranslation.ToRemote(sent)));

        var outcome = Assert.IsType<UnexpectedDeletingTaskStateException>(back);
        Assert.Equal("m", outcome.Message);
        Assert.Equal("deleting", (string?)outcome.Actual!["task_state"]);
    }

    [Fact]
    public void TheDriversFailuresAreTranslatedToo()
    {
        Assert.Equal("InstanceNotFound", FaultTranslation.ToRemote(new ContainerNotFoundException(Guid.Empty)).Class);
        Assert.Equal("NovaException", FaultTranslation.ToRemote(new OutOfSpaceException("disk full")).Class);
        Assert.Equal("disk full", FaultTranslation.ToRemote(new OutOfSpaceException("disk full")).Message);
    }

    [Fact]
    public void ARollbackIsWhatCausedIt() =>
        Assert.Equal("InstanceNotFound", FaultTranslation.ToRemote(new InstanceFaultRollbackException(InstanceNotFoundException.For("u"))).Class);

    [Fact]
    public void MessagesOfTheRuntimeAreNotForUsers()
    {
        var failure = new InvalidOperationException("/secret/path");

        Assert.Equal("InvalidOperationException", FaultText.Message(failure));
        Assert.Contains("/secret/path", FaultText.Details(failure), StringComparison.Ordinal);
    }

    [Fact]
    public void LongMessagesEndAtTheColumnsWidthBetweenCharacters()
    {
        var text = FaultText.ShortMessage(new OutOfSpaceException(new string('ä', 127) + "€€"));

        Assert.Equal(254, System.Text.Encoding.UTF8.GetByteCount(text));
    }

    private static IEnumerable<Type> Types() =>
        typeof(OutcomeException).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(OutcomeException)) && !t.IsAbstract);

    private static Exception Make(Type type)
    {
        var constructor = type.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)[0];
        return (Exception)constructor.Invoke(constructor.GetParameters()
            .Select(p => p.HasDefaultValue ? p.DefaultValue : p.ParameterType == typeof(string) ? "x" : RuntimeHelpers.GetUninitializedObject(p.ParameterType)).ToArray());
    }
}
