using Microsoft.Extensions.Logging;
using NovaLxd.Configuration;

namespace NovaLxd.Startup;

/// <summary>Options that are valid each by itself and make no sense together.</summary>
internal sealed class OptionsCheck(ServiceOptions options, ILogger<OptionsCheck> logger)
{
    public void Warn()
    {
        if (options.ReportInterval >= options.ServiceDownTime)
        {
            logger.LogWarning(
                "report_interval ({Report}) is not smaller than service_down_time ({Down}): the service will be taken for down between two reports.",
                options.ReportInterval, options.ServiceDownTime);
        }
    }
}
