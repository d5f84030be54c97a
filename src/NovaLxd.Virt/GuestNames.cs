namespace NovaLxd.Virt;

/// <summary>
/// What the interfaces of a container are called inside. A port keeps the name it was given for as long as the container has it, however often it is started:
/// the guest's configuration goes by it, and an interface that goes from the middle must not rename the others. Pure.
/// </summary>
internal static class GuestNames
{
    private const string Prefix = "eth";

    /// <summary>The name of a port of the record. One from before names were written down has that of its place.</summary>
    public static string Of(ContainerSituation situation, PortSpec port)
    {
        for (var i = 0; i < situation.Ports.Count; i++)
        {
            if (situation.Ports[i].Id == port.Id)
            {
                return situation.GuestNames?.GetValueOrDefault(port.Id) ?? $"{Prefix}{i}";
            }
        }

        throw new ArgumentException($"Port {port.Id} is none of the container's.", nameof(port));
    }

    /// <summary>
    /// Names for these ports. A new one takes the first number that is free and above those of the ports before it, so that the order of the list is the
    /// guest's as well.
    /// </summary>
    public static IReadOnlyDictionary<Guid, string> Assign(ContainerSituation before, IReadOnlyList<PortSpec> ports)
    {
        var names = before.Ports.Where(old => ports.Any(port => port.Id == old.Id)).DistinctBy(old => old.Id).ToDictionary(old => old.Id, old => Of(before, old));
        var taken = names.Values.ToHashSet();
        var last = -1;
        foreach (var port in ports)
        {
            if (!names.TryGetValue(port.Id, out var name))
            {
                var number = last + 1;
                while (!taken.Add(name = $"{Prefix}{number}"))
                {
                    number++;
                }

                names[port.Id] = name;
            }

            last = Math.Max(last, int.Parse(name.AsSpan(Prefix.Length), System.Globalization.CultureInfo.InvariantCulture));
        }

        return names;
    }
}
