using System.ComponentModel.DataAnnotations;
using NovaLxd.Configuration;

namespace NovaLxd.Metadata;

/// <summary>[DEFAULT]: config drives (nova/conf/configdrive.py).</summary>
internal sealed record ConfigDriveOptions
{
    /// <summary>Whether every new instance gets a config drive, asked for or not.</summary>
    public bool ForceConfigDrive { get; init; }

    /// <summary>File system in the image of a config drive: iso9660, or vfat.</summary>
    [AllowedValues("iso9660", "vfat", ErrorMessage = "the formats are: iso9660, vfat")]
    public string ConfigDriveFormat { get; init; } = "iso9660";

    /// <summary>Program that makes ISO 9660 images, with genisoimage's options.</summary>
    public string MkisofsCmd { get; init; } = "genisoimage";
}

/// <summary>[api]: what instances are told of themselves (nova/conf/api.py). The metadata service must have the same.</summary>
internal sealed record MetadataOptions
{
    /// <summary>Domain behind the host names of instances; empty: none.</summary>
    [Option(Deprecated = ["DEFAULT/dhcp_domain"])]
    public string DhcpDomain { get; init; } = "novalocal";

    /// <summary>Versions of the EC2 metadata that a config drive does not have, separated by spaces.</summary>
    [Option(Deprecated = ["DEFAULT/config_drive_skip_versions"])]
    public string ConfigDriveSkipVersions { get; init; } = "1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01";

    /// <summary>Where the operator's own data for instances comes from: StaticJSON (vendordata_jsonfile_path), DynamicJSON (vendordata_dynamic_targets).</summary>
    [Option(Deprecated = ["DEFAULT/vendordata_providers"])]
    public IReadOnlyList<string> VendordataProviders { get; init; } = ["StaticJSON"];

    /// <summary>File with the operator's own data for instances (JSON). Default: there is none.</summary>
    [Option(Deprecated = ["DEFAULT/vendordata_jsonfile_path"])]
    public string? VendordataJsonfilePath { get; init; }

    /// <summary>Services that are asked for data of an instance, each as name@address.</summary>
    [Option(Deprecated = ["DEFAULT/vendordata_dynamic_targets"])]
    public IReadOnlyList<string> VendordataDynamicTargets { get; init; } = [];

    /// <summary>Certificates of the authorities that vouch for those services (PEM). Default: the host's.</summary>
    public string? VendordataDynamicSslCertfile { get; init; }

    /// <summary>Seconds to wait for a connection to one of them.</summary>
    public TimeSpan VendordataDynamicConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Seconds to wait for its answer.</summary>
    public TimeSpan VendordataDynamicReadTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether an instance that could not be given their data is not built.</summary>
    public bool VendordataDynamicFailureFatal { get; init; }
}
