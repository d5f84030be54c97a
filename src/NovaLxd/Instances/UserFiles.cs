using NovaLxd.Outcomes;
using NovaLxd.Virt;

namespace NovaLxd.Instances;

/// <summary>The files a user sends along with a build or a rebuild (personality): pairs of path and Base64.</summary>
internal static class UserFiles
{
    /// <summary>Decoded; a path is taken from the root.</summary>
    /// <exception cref="BuildAbortException">One is not Base64.</exception>
    public static IReadOnlyList<InjectedFile> Decode(string instanceUuid, IReadOnlyList<IReadOnlyList<string>>? sent)
    {
        var files = new List<InjectedFile>();
        foreach (var file in sent ?? [])
        {
            var buffer = new byte[file[1].Length];
            if (!Convert.TryFromBase64String(file[1], buffer, out var length))
            {
                throw BuildAbortException.For(instanceUuid, $"The injected file {file[0]} is not Base64.");
            }

            files.Add(new InjectedFile(file[0].StartsWith('/') ? file[0] : "/" + file[0], buffer[..length]));
        }

        return files;
    }
}
