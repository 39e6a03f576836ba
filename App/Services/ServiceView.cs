using System.Text.Json.Serialization;
using App.Data;
using App.Events;
using App.OAuth;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Services;

/// <summary>A service as an admin sees it. Its secrets are shown nowhere but in the answer that made them.</summary>
/// <param name="Declared">Written in the settings, and changed only there.</param>
/// <param name="SecretSetAt">When the secret in force was made.</param>
/// <param name="OldSecretSetAt">When the one before it was made; absent where there is none any more.</param>
/// <param name="LastContactAt">When it last proved who it is, or a gateway let somebody through to it, correct to a minute; absent until then.</param>
/// <param name="Push">How pushing to its receiver goes, and what the service refused; absent where there is neither, and from lists.</param>
/// <param name="Feed">How it keeps up with the events; absent where nothing of it follows them, and from lists.</param>
internal sealed record ServiceView(
    string Id, string Name, string Trust, string? Audience, IReadOnlyList<string> Scopes, IReadOnlyList<string> Grants, IReadOnlyList<string> RedirectUris,
    bool Declared, DateTimeOffset CreatedAt, DateTimeOffset SecretSetAt, DateTimeOffset? OldSecretSetAt, DateTimeOffset? LastContactAt, PushView? Push = null, FeedView? Feed = null)
{
    public static ServiceView Of(RegisteredService service)
    {
        var (client, says) = (service.Client, service.Description);
        var seen = service.Contact.At is { } here && (client.LastContactAt is not { } written || here > written) ? here : client.LastContactAt;
        return new(says.Id, says.Name, says.Trust.ToString(), says.Audience, says.Scopes, says.Grants, says.RedirectUris,
            client.Declared, client.CreatedAt, client.SecretSetAt, client.OldSecretHash is null ? null : client.OldSecretSetAt, seen);
    }

    /// <param name="written">When any replica last heard of it, as far as it was written down.</param>
    public ServiceView Heard(DateTimeOffset? written) => LastContactAt is null || written > LastContactAt ? this with { LastContactAt = written } : this;
}

/// <param name="Secret">Shown this once.</param>
internal sealed record NewSecret([property: JsonPropertyName("client_id")] string ClientId, [property: JsonPropertyName("client_secret")] string Secret)
{
    public override string ToString() => $"(secret of {ClientId})";
}

/// <summary>The services there are, by id.</summary>
internal sealed class ListServices(AppDb db, ServiceRegistry registry)
{
    /// <summary>The registered services, by id; those that the settings declare too.</summary>
    public static async Task<Ok<IReadOnlyList<ServiceView>>> HandleAsync(ListServices list, CancellationToken ct) => TypedResults.Ok(await list.AllAsync(ct));

    public async Task<IReadOnlyList<ServiceView>> AllAsync(CancellationToken ct)
    {
        var written = await db.OAuthClients.Where(c => c.LastContactAt != null).Select(c => new { c.ClientId, c.LastContactAt }).ToDictionaryAsync(c => c.ClientId!, c => c.LastContactAt, ct);
        return [.. registry.All.Select(s => ServiceView.Of(s).Heard(written.GetValueOrDefault(s.Description.Id))).OrderBy(s => s.Id, StringComparer.Ordinal)];
    }
}
