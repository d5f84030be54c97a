using NovaLxd.Benchmarks;

// The figures of this project, measured on the machine it runs on:
// dotnet run -c Release --project tests/NovaLxd.Benchmarks [names...] [--rounds N] [--supervisor PATH] [--service PATH]
var benchmarks = new Dictionary<string, Func<BenchmarkOptions, CancellationToken, Task<bool>>>
{
    ["launch"] = OnDriver(LaunchBenchmark.RunAsync),
    ["storage"] = OnDriver(StorageBenchmark.RunAsync),
    ["hundred"] = OnDriver(HundredBenchmark.RunAsync),
    ["build"] = BuildBenchmark.RunAsync,
    ["start"] = StartBenchmark.RunAsync,
    ["idle"] = IdleBenchmark.RunAsync,
    ["service"] = (_, token) => ServiceBenchmark.RunAsync(token),
};

var options = BenchmarkOptions.Parse(args, benchmarks.Keys);
using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    interrupted.Cancel();
};

options = await PublishedPrograms.CompleteAsync(options, interrupted.Token);
Console.WriteLine(Machine.Describe());
var clean = true;
foreach (var name in options.Names)
{
    Console.WriteLine();
    clean &= await benchmarks[name](options, interrupted.Token);
}

Console.WriteLine();
Console.WriteLine(Machine.Describe());
return clean ? 0 : 1;

// A benchmark of the driver alone, without the service.
static Func<BenchmarkOptions, CancellationToken, Task<bool>> OnDriver(Func<BenchmarkHost, int, CancellationToken, Task> benchmark) => async (options, token) =>
{
    await using var host = await BenchmarkHost.StartAsync(options, token);
    await benchmark(host, options.Rounds, token);
    return await host.TearDownAsync();
};
