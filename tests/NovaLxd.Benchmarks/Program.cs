using NovaLxd.Benchmarks;

// The figures of this project, measured on the machine it runs on: dotnet run -c Release --project tests/NovaLxd.Benchmarks [names...] [--rounds N] [--supervisor PATH]
var benchmarks = new Dictionary<string, Func<BenchmarkHost, int, CancellationToken, Task>>
{
    ["launch"] = LaunchBenchmark.RunAsync,
    ["storage"] = StorageBenchmark.RunAsync,
    ["hundred"] = HundredBenchmark.RunAsync,
    ["service"] = (_, _, token) => ServiceBenchmark.RunAsync(token),
};

var options = BenchmarkOptions.Parse(args, benchmarks.Keys);
using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    interrupted.Cancel();
};

options = options with { Supervisor = options.Supervisor ?? await SupervisorProgram.PublishAsync(interrupted.Token) };
Console.WriteLine(Machine.Describe());
var clean = true;
foreach (var name in options.Names)
{
    Console.WriteLine();
    await using var host = await BenchmarkHost.StartAsync(options, interrupted.Token);
    await benchmarks[name](host, options.Rounds, interrupted.Token);
    clean &= await host.TearDownAsync();
}

Console.WriteLine();
Console.WriteLine(Machine.Describe());
return clean ? 0 : 1;
