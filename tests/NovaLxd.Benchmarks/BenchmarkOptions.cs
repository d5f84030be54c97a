using System.Globalization;

namespace NovaLxd.Benchmarks;

/// <summary>The command line.</summary>
/// <param name="Names">Benchmarks in order.</param>
/// <param name="Rounds">Rounds counted of those measured in rounds; as many again as <see cref="WarmUp"/> come before them.</param>
/// <param name="Supervisor">Program of the supervisor; null: it is published here first, as a native program.</param>
/// <param name="Service">Program of the service, the supervisor's beside it; null: it is published here first, where a benchmark needs it.</param>
internal sealed record BenchmarkOptions(IReadOnlyList<string> Names, int Rounds, string? Supervisor, string? Service)
{
    /// <summary>Rounds not counted: the runtime compiles what is used often, and the kernel fills its caches.</summary>
    public const int WarmUp = 40;

    public static BenchmarkOptions Parse(IReadOnlyList<string> arguments, IReadOnlyCollection<string> known)
    {
        var names = new List<string>();
        var (rounds, supervisor, service) = (30, (string?)null, (string?)null);
        for (var i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--rounds" when i + 1 < arguments.Count:
                    rounds = int.Parse(arguments[++i], CultureInfo.InvariantCulture);
                    break;
                case "--supervisor" when i + 1 < arguments.Count:
                    supervisor = Path.GetFullPath(arguments[++i]);
                    break;
                case "--service" when i + 1 < arguments.Count:
                    service = Path.GetFullPath(arguments[++i]);
                    break;
                case var name when known.Contains(name):
                    names.Add(name);
                    break;
                case var other:
                    throw new ArgumentException($"'{other}' is none of {string.Join(", ", known)}, --rounds N, --supervisor PATH, --service PATH.");
            }
        }

        return new BenchmarkOptions(names.Count > 0 ? names : [.. known], rounds, supervisor, service);
    }
}
