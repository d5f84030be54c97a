namespace NovaLxd.Virt.Tests;

/// <summary>What tests with <c>[Trait("Lane", "root")]</c> have in common.</summary>
internal static class RootLane
{
    /// <summary>Fails the test, saying so, when it does not run as root: it is never skipped quietly.</summary>
    public static void Require() => Assert.True(
        Environment.IsPrivilegedProcess, "This test works on the kernel and needs root: run it with sudo, or leave the root lane out.");
}
