using Newtonsoft.Json.Linq;
using NovaLxd.Instances;
using NovaLxd.Objects;
using NovaLxd.Outcomes;

namespace NovaLxd.Tests.Instances;

public class FlavorChecksTests
{
    [Theory]
    [InlineData("hw:cpu_policy", "dedicated")]
    [InlineData("hw:cpu_policy", "mixed")]
    [InlineData("hw:numa_nodes", "2")]
    [InlineData("hw:mem_page_size", "large")]
    [InlineData("hw:mem_page_size", "2048")]
    [InlineData("hw:mem_encryption", "true")]
    [InlineData("hw:tpm_version", "2.0")]
    [InlineData("hw:secure_boot", "required")]
    [InlineData("pci_passthrough:alias", "gpu:1")]
    public void WhatAContainerCannotHaveIsRefusedByName(string key, string value)
    {
        var fault = Assert.Throws<BuildAbortException>(() => FlavorChecks.Check(Asking(flavor: (key, value))));
        Assert.StartsWith($"Flavor m1.test asks for {key} = {value} and ", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hw:cpu_policy", "shared")]
    [InlineData("hw:mem_page_size", "small")]
    [InlineData("hw:mem_page_size", "any")]
    [InlineData("hw:secure_boot", "Disabled")]
    [InlineData("hw:cpu_sockets", "2")]
    [InlineData("quota:cpu_shares", "10")]
    [InlineData("trait:CUSTOM_SYSTEM_CONTAINER", "required")]
    public void WhatIsSoAnywayIsGranted(string key, string value) => FlavorChecks.Check(Asking(flavor: (key, value)));

    [Fact]
    public void AnImageIsReadLikeAFlavor()
    {
        var fault = Assert.Throws<BuildAbortException>(() => FlavorChecks.Check(Asking(image: ("hw_numa_nodes", "2"))));
        Assert.StartsWith("The image asks for hw_numa_nodes = 2 and ", fault.Message, StringComparison.Ordinal);
        FlavorChecks.Check(Asking(image: ("hw_vm_mode", "exe")));
    }

    private static Instance Asking((string Key, string Value)? flavor = null, (string Key, string Value)? image = null)
    {
        var asking = NovaObject.Create<Flavor>();
        asking.Name = "m1.test";
        asking.Set("extra_specs", flavor is { } f ? new JObject { [f.Key] = f.Value } : []);
        var instance = NovaObject.Create<Instance>();
        instance.Set("flavor", asking.ToPrimitive());
        instance.Set("system_metadata", image is { } i ? new JObject { ["image_" + i.Key] = i.Value } : []);
        return instance;
    }
}
