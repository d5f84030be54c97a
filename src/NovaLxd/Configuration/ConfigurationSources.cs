namespace NovaLxd.Configuration;

/// <summary>Which files make up the configuration (oslo.config cfg.py:find_config_files; nova looks for nova.conf and nova-compute.conf).</summary>
internal static class ConfigurationSources
{
    private static readonly string[] Programs = ["nova", "nova-compute", "novalxd"];

    /// <param name="given">What the command line names, in its order: files, and folders of which all *.conf are read by name.</param>
    public static IReadOnlyList<string> Files(IReadOnlyList<string> given) =>
        given.Count > 0 ? [.. given.SelectMany(Expand)] : [.. Default()];

    public static OsloConfig Load(
        IReadOnlyList<string> files,
        Func<string, string?>? environment = null,
        IReadOnlyDictionary<(string Section, string Key), string>? overrides = null) =>
        new(files.SelectMany(OsloConfigFile.Read), environment, overrides);

    private static IEnumerable<string> Expand(string path)
    {
        if (Directory.Exists(path))
        {
            return Directory.GetFiles(path, "*.conf").Order(StringComparer.Ordinal);
        }

        return File.Exists(path) ? [path] : throw new ConfigurationException($"{path}: there is no such configuration file or folder");
    }

    private static IEnumerable<string> Default()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string[] folders = [Path.Combine(home, ".nova"), home, "/etc/nova", "/etc/novalxd", "/etc"];
        foreach (var program in Programs)
        {
            if (folders.Select(f => Path.Combine(f, program + ".conf")).FirstOrDefault(File.Exists) is { } file)
            {
                yield return file;
            }
        }

        foreach (var program in Programs)
        {
            foreach (var file in folders.Select(f => Path.Combine(f, program + ".conf.d")).Where(Directory.Exists).Take(1).SelectMany(Expand))
            {
                yield return file;
            }
        }
    }
}
