using NovaLxd.Configuration;

namespace NovaLxd;

internal static class Program
{
    private static int Main(string[] args)
    {
        if (args is ["config-sample"])
        {
            Console.Out.Write(SampleFile.Render(OptionSections.All));
        }

        return 0;
    }
}
