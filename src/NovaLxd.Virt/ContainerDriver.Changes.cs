namespace NovaLxd.Virt;

/// <content>What a stopped container becomes: rescued, larger, smaller.</content>
internal sealed partial class ContainerDriver
{
    public Task RescueAsync(Guid id, string imageKey, CancellationToken cancellationToken) => _roots.RescueAsync(id, imageKey, cancellationToken);

    public Task UnrescueAsync(Guid id, CancellationToken cancellationToken) => _roots.UnrescueAsync(id, cancellationToken);

    public async Task ResizeAsync(Guid id, ContainerSize size, CancellationToken cancellationToken)
    {
        using var held = await _locks.EnterAsync(id, cancellationToken).ConfigureAwait(false);
        var record = GetRecord(id);
        if (ContainerResize.HasSize(record.Spec, size))
        {
            return;
        }

        if (await FindRunningAsync(id, cancellationToken).ConfigureAwait(false) is not null)
        {
            throw new ContainerStateException($"{record.Spec.Name} runs: its size can be changed when it is stopped.");
        }

        await new ContainerResize(_storage, _store, _logger).ResizeAsync(record, size, cancellationToken).ConfigureAwait(false);
    }
}
