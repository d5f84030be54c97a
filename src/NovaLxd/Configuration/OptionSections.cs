using Microsoft.Extensions.DependencyInjection;
using NovaLxd.Images;
using NovaLxd.Instances;
using NovaLxd.Logging;
using NovaLxd.Messaging;
using NovaLxd.Metadata;
using NovaLxd.Network;
using NovaLxd.Notifications;
using NovaLxd.Periodic;
using NovaLxd.Resources;
using NovaLxd.Transfer;

namespace NovaLxd.Configuration;

/// <summary>The table of contents of the configuration: every section and the record that holds its options.</summary>
internal static class OptionSections
{
    public static IReadOnlyList<(string Section, Type Options)> All { get; } =
    [
        ("DEFAULT", typeof(ServiceOptions)),
        ("DEFAULT", typeof(MessagingOptions)),
        ("DEFAULT", typeof(LogOptions)),
        ("DEFAULT", typeof(ResourceOptions)),
        ("DEFAULT", typeof(InstanceOptions)),
        ("DEFAULT", typeof(NetworkOptions)),
        ("DEFAULT", typeof(PeriodicOptions)),
        ("DEFAULT", typeof(ConfigDriveOptions)),
        ("api", typeof(MetadataOptions)),
        ("cinder", typeof(CinderSection)),
        ("compute", typeof(ComputeSectionOptions)),
        ("filter_scheduler", typeof(FilterSchedulerOptions)),
        ("glance", typeof(GlanceSection)),
        ("image_cache", typeof(ImageCacheOptions)),
        ("lxd", typeof(LxdOptions)),
        ("lxd", typeof(TransferOptions)),
        ("neutron", typeof(NeutronSectionOptions)),
        ("neutron", typeof(NeutronSection)),
        ("notifications", typeof(NotificationsSection)),
        ("oslo_messaging_notifications", typeof(OsloNotificationSection)),
        ("oslo_messaging_rabbit", typeof(RabbitOptions)),
        ("placement", typeof(PlacementSection)),
        ("service_user", typeof(ServiceUserSection)),
        ("vendordata_dynamic_auth", typeof(VendordataAuthSection)),
        ("workarounds", typeof(WorkaroundOptions)),
    ];

    /// <summary>Binds every record and registers each as a singleton of its type; all faults at once.</summary>
    /// <exception cref="ConfigurationException"/>
    public static void AddOptions(this IServiceCollection services, OsloConfig config)
    {
        var binder = new OptionBinder(config);
        foreach (var (section, type) in All)
        {
            services.AddSingleton(type, binder.Bind(type, section));
        }

        binder.ThrowOnFaults();
    }
}
