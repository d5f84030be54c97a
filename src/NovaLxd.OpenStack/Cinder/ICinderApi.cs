using NovaLxd.OpenStack.Http;
using Refit;

namespace NovaLxd.OpenStack.Cinder;

/// <summary>
/// The Block Storage API v3 calls of a compute service with Nova's microversions (nova/volume/cinder.py). <c>project</c> is the instance's project:
/// Cinder wants it in the path and compares it with the token's.
/// </summary>
[Headers("Accept: application/json")]
public interface ICinderApi
{
    /// <summary>Reserves a volume for an instance (connector null) or connects it at once.</summary>
    [Post("/v3/{project}/attachments")]
    [Headers("OpenStack-API-Version: volume 3.44")]
    Task<AttachmentEnvelope> CreateAttachmentAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string project, [Body] AttachmentCreateEnvelope body, CancellationToken cancellationToken);

    /// <summary>Tells Cinder where the volume goes; the answer says how to connect it.</summary>
    [Put("/v3/{project}/attachments/{id}")]
    [Headers("OpenStack-API-Version: volume 3.44")]
    Task<AttachmentEnvelope> UpdateAttachmentAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string project, string id, [Body] AttachmentUpdateEnvelope body, CancellationToken cancellationToken);

    [Get("/v3/{project}/attachments/{id}")]
    [Headers("OpenStack-API-Version: volume 3.44")]
    Task<AttachmentEnvelope> ShowAttachmentAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string project, string id, CancellationToken cancellationToken);

    /// <summary>The volume is in use by the guest from now on.</summary>
    [Post("/v3/{project}/attachments/{id}/action")]
    [Headers("OpenStack-API-Version: volume 3.44")]
    Task CompleteAttachmentAsync(
        [Property(RequestOptions.CallerKey)] OpenStackCaller caller, string project, string id, [Body] CompleteAttachment body, CancellationToken cancellationToken);

    [Delete("/v3/{project}/attachments/{id}")]
    [Headers("OpenStack-API-Version: volume 3.44")]
    Task DeleteAttachmentAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string project, string id, CancellationToken cancellationToken);

    [Get("/v3/{project}/volumes/{id}")]
    [Headers("OpenStack-API-Version: volume 3.48")]
    Task<VolumeEnvelope> ShowVolumeAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string project, string id, CancellationToken cancellationToken);

    [Delete("/v3/{project}/volumes/{id}")]
    Task DeleteVolumeAsync([Property(RequestOptions.CallerKey)] OpenStackCaller caller, string project, string id, CancellationToken cancellationToken);
}
