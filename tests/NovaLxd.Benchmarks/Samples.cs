using System.Diagnostics;
using System.Globalization;

namespace NovaLxd.Benchmarks;

/// <summary>Times of one thing, in milliseconds.</summary>
internal sealed class Samples(string name)
{
    private readonly List<double> _milliseconds = [];

    public string Name { get; } = name;

    public double Median => Of(0.5);

    public void Add(double milliseconds) => _milliseconds.Add(milliseconds);

    /// <returns>Milliseconds it took, which are added when <paramref name="counts"/>.</returns>
    public async Task<double> MeasureAsync(Func<Task> what, bool counts = true)
    {
        var begun = Stopwatch.GetTimestamp();
        await what();
        var took = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        if (counts)
        {
            _milliseconds.Add(took);
        }

        return took;
    }

    /// <summary>Median, least and most, and the median as a multiple of another's.</summary>
    public static void Print(string title, IReadOnlyCollection<Samples> rows, Samples? reference = null)
    {
        Console.WriteLine($"{title} (milliseconds)");
        Console.WriteLine($"  {"",-44}{"median",9}{"min",9}{"p95",9}{"max",9}{"n",5}{(reference is null ? "" : $"{"ratio",8}")}");
        foreach (var row in rows.Where(row => row._milliseconds.Count > 0))
        {
            var ratio = reference is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{row.Median / reference.Median,8:F2}");
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {row.Name,-44}{row.Median,9:F2}{row.Of(0),9:F2}{row.Of(0.95),9:F2}{row.Of(1),9:F2}{row._milliseconds.Count,5}{ratio}"));
        }
    }

    private double Of(double part)
    {
        var sorted = _milliseconds.Order().ToArray();
        return sorted[(int)Math.Round(part * (sorted.Length - 1))];
    }
}
