namespace NovaLxd.OpenStack.ProviderConfig;

/// <summary>
/// A provider configuration file that cannot be used. The message names the file, each place in it and what is expected there.
/// The service refuses to start with it, as Nova does (ProviderConfigException).
/// </summary>
public sealed class ProviderConfigException(string message, Exception? inner = null) : Exception(message, inner);
