namespace NovaLxd.Metadata;

/// <summary>The versions in which an instance is told of itself, oldest first; each has what the ones before it have (nova/api/metadata/base.py).</summary>
internal static class MetadataVersions
{
    public const string Latest = "latest";

    public const string Grizzly = "2013-04-04";
    public const string Havana = "2013-10-17";
    public const string Liberty = "2015-10-15";
    public const string NewtonOne = "2016-06-30";
    public const string NewtonTwo = "2016-10-06";
    public const string Ocata = "2017-02-22";
    public const string Rocky = "2018-08-27";
    public const string Victoria = "2020-10-14";

    public static readonly IReadOnlyList<string> OpenStack = ["2012-08-10", Grizzly, Havana, Liberty, NewtonOne, NewtonTwo, Ocata, Rocky, Victoria];

    public static readonly IReadOnlyList<string> Ec2 =
        ["1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04"];

    /// <summary>Whether a version has what came with another. They are dates, and "1.0" and "latest" stand where the order of characters puts them.</summary>
    public static bool Has(string version, string since) => string.CompareOrdinal(version, since) >= 0;
}
