using System.Text.RegularExpressions;

namespace NovaLxd.Virt.Drives;

/// <summary>Refuses a drive that could not be made or would not stay in its folder. Pure.</summary>
internal static partial class DriveCheck
{
    /// <summary>Most bytes of content: an image of vfat has 64 MiB, and needs some of them itself.</summary>
    public const long MaxContentBytes = 60L << 20;

    public static IEnumerable<string> FindFaults(DriveSpec drive)
    {
        if (!FolderPattern().IsMatch(drive.Folder))
        {
            yield return $"folder '{drive.Folder}' of the drive is not one name below the root";
        }

        if (!LabelPattern().IsMatch(drive.Label))
        {
            yield return $"label '{drive.Label}' of the drive is not 1 to 11 letters, digits, '-' and '_'";
        }

        foreach (var file in drive.Files.Where(file => !PathPattern().IsMatch(file.Path) || file.Path.Split('/').Any(name => name is "." or "..")))
        {
            yield return $"'{file.Path}' is not the path of a file on a drive";
        }

        if (drive.Files.Sum(file => (long)file.Content.Length) is > MaxContentBytes and var size)
        {
            yield return $"the drive would hold {size} bytes, more than {MaxContentBytes}";
        }
    }

    [GeneratedRegex(@"\A/[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\z")]
    private static partial Regex FolderPattern();

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,11}\z")]
    private static partial Regex LabelPattern();

    [GeneratedRegex(@"\A[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\z")]
    private static partial Regex PathPattern();
}
