using App.Data;
using App.Events;
using App.OAuth;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Services;

/// <summary>How pushing to a service's receiver goes, and what the service refused however it was told.</summary>
/// <param name="Url">Absent where it has no receiver.</param>
/// <param name="HasSecret">Whether we send it a bearer token.</param>
/// <param name="Attempts">Failed attempts since it last took something.</param>
/// <param name="FailingSince">When the first of them was; absent while all is well.</param>
/// <param name="NextAttemptAt">When it is tried again; absent while all is well.</param>
/// <param name="LastError">What the last of them came to.</param>
/// <param name="Undelivered">How many events it refused, or didn't take for too long.</param>
/// <param name="Newest">The newest of these, fifty at most.</param>
internal sealed record PushView(
    string? Url, bool HasSecret, int Attempts, DateTimeOffset? FailingSince, DateTimeOffset? NextAttemptAt, string? LastError, int Undelivered, IReadOnlyList<UndeliveredView> Newest);

/// <param name="Id">The <c>jti</c> of its SET.</param>
/// <param name="Error">The receiver's error code (RFC 8935 section 2.4), or what went wrong.</param>
internal sealed record UndeliveredView(Guid Id, long Cursor, string Type, DateTimeOffset OccurredAt, DateTimeOffset SetAsideAt, string Error);

/// <summary>One service, how pushing to it goes, and how it keeps up.</summary>
internal sealed class ShowService(AppDb db, ServiceRegistry registry, Convergence convergence)
{
    private const int Most = 50;

    /// <summary>One service, how pushing to it goes, and how it keeps up with the events. 404 for an id that none has.</summary>
    /// <param name="id">The service's id.</param>
    public static async Task<Results<Ok<ServiceView>, ProblemHttpResult>> HandleAsync(string id, ShowService show, CancellationToken ct) =>
        await show.TryAsync(id, ct) is { } service ? TypedResults.Ok(service) : Problems.NotFound();

    /// <summary>When the service was last heard of, for whoever waits for that alone; null for never, or no such service.</summary>
    public async Task<DateTimeOffset?> LastHeardAsync(string id, CancellationToken ct) =>
        registry.Find(id) is { } service ? ServiceView.Of(service).Heard(await WrittenAsync(id, ct)).LastContactAt : null;

    // Another replica may have heard of it later; it has written that down.
    private Task<DateTimeOffset?> WrittenAsync(string id, CancellationToken ct) =>
        db.OAuthClients.Where(c => c.ClientId == id).Select(c => c.LastContactAt).SingleOrDefaultAsync(ct);

    public async Task<ServiceView?> TryAsync(string id, CancellationToken ct)
    {
        if (registry.Find(id) is not { } service) return null;
        var view = ServiceView.Of(service);
        var written = await WrittenAsync(id, ct);
        var push = await PushAsync(id, service.Client.PushUrl, service.Client.PushSecret is not null, ct);
        return view.Heard(written) with { Push = push is { Url: null, Undelivered: 0 } ? null : push, Feed = await convergence.OfServiceAsync(id, service.Description.Audience, ct) };
    }

    private async Task<PushView> PushAsync(string id, string? url, bool hasSecret, CancellationToken ct)
    {
        var place = await db.PushPositions.AsNoTracking().SingleOrDefaultAsync(p => p.Service == id, ct);
        var undelivered = db.UndeliveredEvents.AsNoTracking().Where(u => u.Service == id);
        var newest = await undelivered.OrderByDescending(u => u.Cursor).Take(Most)
            .Select(u => new UndeliveredView(u.EventId, u.Cursor, u.Type, u.OccurredAt, u.SetAsideAt, u.Error)).ToListAsync(ct);
        var failing = place?.FailingSince is not null;
        return new(url, hasSecret, place?.Attempts ?? 0, place?.FailingSince, failing ? place!.NextAttemptAt : null, place?.LastError,
            newest.Count < Most ? newest.Count : await undelivered.CountAsync(ct), newest);
    }
}
