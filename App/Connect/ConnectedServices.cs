using App.Data;
using App.Events;
using App.OAuth;
using App.Sessions;
using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Connect;

/// <summary>A service that holds tokens of its own in somebody's name.</summary>
/// <param name="PassesOn">It may take such a token to further services and get one for them (RFC 8693).</param>
/// <param name="Sessions">How many living sessions have given it one.</param>
/// <param name="Here">Whether the session that asks is one of them.</param>
internal sealed record ConnectedService(string Audience, string Name, bool PassesOn, int Sessions, DateTimeOffset LastSeenAt, bool Here);

/// <summary>
/// The services that were given tokens which they alone accept, and the end of that. Such a token dies with its session and with nothing less,
/// so whoever withdraws it ends the sessions it came from: the service hears of it like of any other sign-out.
/// </summary>
internal sealed class ConnectedServices(AppDb db, ServiceRegistry registry, RevokeSessions revoke, SessionOptions options, TimeProvider time)
{
    public abstract record Outcome
    {
        public sealed record Withdrawn(int Sessions, bool Here) : Outcome;
        public sealed record ProofRequired : Outcome;

        /// <summary>No living session of theirs has given it a token.</summary>
        public sealed record NotFound : Outcome;
    }

    public async Task<IReadOnlyList<ConnectedService>> OfAsync(CurrentUser user, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var held = await db.BoundAudiences.AsNoTracking().Where(b => b.UserId == user.Id)
            .Join(db.Sessions.Living(now, options), b => b.SessionId, s => s.Id, (b, s) => new { b.Audience, s.Id, s.LastSeenAt })
            .ToListAsync(ct);
        return [.. held.GroupBy(h => h.Audience).Select(group => Describe(group.Key, group.Count(), group.Max(h => h.LastSeenAt), group.Any(h => h.Id == user.SessionId))).OrderBy(s => s.Name, StringComparer.CurrentCulture)];
    }

    /// <summary>Ends every session that has given this service a token, the one that asks included where it is one of them.</summary>
    public async Task<Outcome> WithdrawAsync(CurrentUser user, string? audience, CancellationToken ct)
    {
        if ((await OfAsync(user, ct)).FirstOrDefault(s => s.Audience == audience) is not { } service) return new Outcome.NotFound();
        if (!await db.IsProofRecentAsync(user, time.GetUtcNow(), ct)) return new Outcome.ProofRequired();
        var ended = await revoke.RunAsync(s => s.UserId == user.Id && db.Set<BoundAudience>().Any(b => b.SessionId == s.Id && b.Audience == service.Audience), Causes.EndedByUser, ct);
        return new Outcome.Withdrawn(ended.Count, ended.Contains(user.SessionId));
    }

    // A service that was removed meanwhile has no name any more, and its tokens are good until they expire.
    private ConnectedService Describe(string audience, int sessions, DateTimeOffset lastSeenAt, bool here)
    {
        var known = registry.All.FirstOrDefault(s => (s.Client.Audience ?? s.Client.ClientId) == audience)?.Description;
        return new ConnectedService(audience, known?.Name ?? audience, known?.Grants.Contains(OpenIddictConstants.GrantTypes.TokenExchange) == true, sessions, lastSeenAt, here);
    }
}
