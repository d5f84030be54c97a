using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NovaLxd.Configuration;
using NovaLxd.Hosting;

namespace NovaLxd.Tests.Hosting;

public sealed class ComputeServiceTests
{
    /// <summary>The working directory of a systemd service is the root of the file system.</summary>
    [Fact]
    public async Task NothingBelowTheWorkingDirectoryIsReadOrWatched()
    {
        await using var service = ComputeService.Build([], () => new OsloConfig(OsloConfigFile.Parse("test.conf", [])));

        var files = ((IConfigurationRoot)service.Services.GetRequiredService<IConfiguration>()).Providers.OfType<FileConfigurationProvider>();
        Assert.DoesNotContain(files, f => f.Source.ReloadOnChange);
        Assert.Equal(
            Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory),
            Path.TrimEndingDirectorySeparator(service.Services.GetRequiredService<IHostEnvironment>().ContentRootPath));
    }
}
