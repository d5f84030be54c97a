using NovaLxd.Instances;
using NovaLxd.Outcomes;

namespace NovaLxd.Tests.Instances;

public sealed class UserFilesTests
{
    [Fact]
    public void FilesAreDecodedAndTakenFromTheRoot()
    {
        var files = UserFiles.Decode("uuid", [["/etc/motd", "aGVsbG8="], ["root/empty", ""]]);

        Assert.Equal(["/etc/motd", "/root/empty"], files.Select(f => f.Path));
        Assert.Equal("hello"u8.ToArray(), files[0].Content);
        Assert.Empty(files[1].Content);
    }

    [Fact]
    public void NoFilesAreNone() => Assert.Empty(UserFiles.Decode("uuid", null));

    [Fact]
    public void WhatIsNotBase64IsNamed() => Assert.Contains(
        "/etc/motd", Assert.Throws<BuildAbortException>(() => UserFiles.Decode("uuid", [["/etc/motd", "?"]])).Message, StringComparison.Ordinal);
}
