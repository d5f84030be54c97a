using System.Diagnostics;
using System.Globalization;
using NovaLxd.Virt;
using NovaLxd.Virt.Engine;
using NovaLxd.Virt.Processes;

namespace NovaLxd.Benchmarks.Floor;

/// <summary>floor.c, compiled and running: one launch for each question.</summary>
internal sealed class FloorProgram : IDisposable
{
    private readonly Process _process;

    private FloorProgram(Process process) => _process = process;

    /// <param name="imageRoot">Lower layer of the root.</param>
    /// <param name="folder">For its program, plan and upper layers; made here.</param>
    public static async Task<FloorProgram> StartAsync(string imageRoot, string folder, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.Combine(folder, "staging"));
        var (source, program, plan, filter) = (Path.Combine(folder, "floor.c"), Path.Combine(folder, "floor"), Path.Combine(folder, "plan"), Path.Combine(folder, "filter"));
        await using (var embedded = typeof(FloorProgram).Assembly.GetManifestResourceStream("floor.c")!)
        await using (var file = File.Create(source))
        {
            await embedded.CopyToAsync(file, cancellationToken);
        }

        await File.WriteAllBytesAsync(filter, SeccompProfile.Compile(new SecuritySpec()), cancellationToken);
        await File.WriteAllLinesAsync(plan, FloorPlan.Build(imageRoot, folder, filter), cancellationToken);
        await CommandRunner.RunAsync(["gcc", "-O2", "-o", program, source], cancellationToken);
        return new FloorProgram(Process.Start(new ProcessStartInfo(program, [plan]) { RedirectStandardInput = true, RedirectStandardOutput = true })!);
    }

    /// <returns>Milliseconds from the first system call to init's exec.</returns>
    public async Task<double> LaunchAsync(CancellationToken cancellationToken)
    {
        await _process.StandardInput.WriteLineAsync("launch");
        await _process.StandardInput.FlushAsync(cancellationToken);
        var answer = await _process.StandardOutput.ReadLineAsync(cancellationToken)
            ?? throw new InvalidOperationException("The bare launch failed; above stands which call did.");
        return double.Parse(answer, CultureInfo.InvariantCulture) / 1000;
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
