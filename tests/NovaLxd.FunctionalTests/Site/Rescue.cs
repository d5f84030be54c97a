using System.Text;
using Newtonsoft.Json.Linq;
using NovaLxd.Virt;

namespace NovaLxd.FunctionalTests.Site;

/// <summary>Servers that are rescued: images that tell which of them was booted, and what the API sends.</summary>
internal static class Rescue
{
    /// <summary>A file that says which image it is of.</summary>
    public const string Which = "/etc/which";

    /// <summary>The same file of the instance, seen from the rescue system.</summary>
    public const string RescuedWhich = "/mnt/instance/etc/which";

    public static string AddImageThatIs(this ComputeSite site, string which) => site.AddImage(BusyboxImage.Make(more: tar =>
    {
        BusyboxImage.AddFile(tar, "etc/which", Encoding.UTF8.GetBytes(which), executable: false);
        BusyboxImage.AddFile(tar, "etc/shadow", "root:*:19000:0:99999:7:::\n"u8.ToArray(), executable: false);
        BusyboxImage.AddLink(tar, "bin/passwd", "busybox");
        BusyboxImage.AddLink(tar, "bin/chown", "busybox");
        BusyboxImage.AddLink(tar, "bin/stat", "busybox");
    }));

    public static Task<Server> CreateOwnAsync(this ComputeSite site) => site.CreateActiveAsync(new ServerRequest { ImageId = site.AddImageThatIs("own") });

    /// <param name="image">Null: the server's own.</param>
    public static JObject Arguments(string? image) => new()
    {
        ["rescue_password"] = "Rescue1234",
        ["rescue_image_ref"] = image,
        ["clean_shutdown"] = true,
    };

    public static async Task<string> RescueAsync(this ComputeSite site, Server server, string? image = null) =>
        await site.ActAsync(server, "rescue_instance", "rescuing", Arguments(image ?? site.AddImageThatIs("rescue")));

    public static Task<string> UnrescueAsync(this ComputeSite site, Server server) => site.ActAsync(server, "unrescue_instance", "unrescuing");

    /// <summary>A file as the one guest of the site has it.</summary>
    public static string ReadInside(this ComputeSite site, string path) => File.ReadAllText($"/proc/{Assert.Single(site.Guests())}/root{path}");

    public static bool ExistsInside(this ComputeSite site, string path) => Path.Exists($"/proc/{Assert.Single(site.Guests())}/root{path}");

    /// <summary>Root file systems on the disk.</summary>
    public static int Roots(this ComputeSite site) => Directory.EnumerateFiles(site.StateFolder, "rootfs.json", SearchOption.AllDirectories).Count();

    public static ExecRequest Shell(string line) => new() { Command = ["/bin/sh", "-c", line], Timeout = TimeSpan.FromMinutes(5) };
}
