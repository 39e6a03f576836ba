using System.ComponentModel.DataAnnotations;
using App.Audit;
using App.Data;
using App.Events;
using App.OAuth;
using App.Ops;
using App.Profile;
using App.Push;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Services;

public sealed class ChangePushRequest
{
    /// <summary>Where Security Event Tokens are posted (RFC 8935): https, and on the internet unless <c>Events:Push:AllowPrivateNetworks</c> is on.</summary>
    [Required, MaxLength(PushTarget.LongestUrl)] public string Url { get; set; } = "";

    /// <summary>Sent as a bearer token; 16 to 512 characters. Left out, the one there is stays while scheme, host and port do; empty, none is sent any more. Never shown again.</summary>
    [MaxLength(PushTarget.LongestSecret)] public string? Secret { get; set; }
}

/// <summary>An admin says where a service's events are pushed, that they are no longer, or that those set aside are to be sent again.</summary>
internal sealed class ChangePush(AppDb db, ChangeRegistry change, PushTargets targets, PushEvents push, PushOptions options, AuditLog audit)
{
    public abstract record Outcome
    {
        public sealed record Done : Outcome;
        public sealed record NotFound : Outcome;
        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;

        /// <summary>The caller is no admin any more.</summary>
        public sealed record Forbidden : Outcome;
    }

    /// <summary>
    /// Says where a service's events are pushed (RFC 8935); what waits is tried at once.
    /// 400 with the <c>field</c> at fault; without one for a service that the settings declare.
    /// </summary>
    /// <param name="id">The service's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleSetAsync(string id, ChangePushRequest request, CurrentUser user, ChangePush push, HttpContext http, CancellationToken ct)
    {
        var outcome = await push.SetAsync(id, request, user, ct);
        if (outcome is Outcome.Invalid) Refusals.Note(http, Refusals.Receiver);
        return Answer(outcome);
    }

    /// <summary>Nothing is pushed to the service any more; what waited, or was set aside, is forgotten. 404 where it has no receiver; 400 where the settings declare it.</summary>
    /// <param name="id">The service's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleRemoveAsync(string id, CurrentUser user, ChangePush push, CancellationToken ct) =>
        Answer(await push.RemoveAsync(id, user, ct));

    /// <summary>Events that the service refused are tried once more, or come with its next poll, and what waits is tried now. 404 where it has no receiver and refused nothing.</summary>
    /// <param name="id">The service's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleRetryAsync(string id, CurrentUser user, ChangePush push, CancellationToken ct) =>
        Answer(await push.RetryAsync(id, user, ct));

    public Task<Outcome> SetAsync(string id, ChangePushRequest request, CurrentUser user, CancellationToken ct) => RunAsync(id, "service-push-changed", user, async client =>
    {
        // A secret goes only where it was given for: another host must not get it because somebody left the field empty.
        var url = request.Url?.Trim() ?? "";
        var known = targets.Of(client);
        var kept = known is not null && SameHost(known.Url, url) ? known.Secret : null;
        var target = new PushTarget(url, request.Secret is null ? kept : request.Secret.Trim() is { Length: > 0 } secret ? secret : null);
        if (target.Faults(options).ToList() is { Count: > 0 } faults) return new Outcome.Invalid(faults);
        targets.Set(client, target);
        await NowAsync(id, ct);
        return new Outcome.Done();
    }, ct);

    /// <summary>What waited for the receiver, or was set aside for it, is forgotten.</summary>
    public Task<Outcome> RemoveAsync(string id, CurrentUser user, CancellationToken ct) => RunAsync(id, "service-push-removed", user, async client =>
    {
        if (client.PushUrl is null) return new Outcome.NotFound();
        targets.Set(client, null);
        await db.ForgetPushAsync(id, ct);
        return new Outcome.Done();
    }, ct);

    /// <summary>Everything that was set aside is tried once more, or comes with the next poll, and what waits is tried now.</summary>
    public async Task<Outcome> RetryAsync(string id, CurrentUser user, CancellationToken ct)
    {
        await using (var transaction = await db.BeginWriteAsync(ct))
        {
            if (!await db.IsStillAdminAsync(user, ct)) return new Outcome.Forbidden();
            if (await db.FindClientAsync(id, ct) is not { } client) return new Outcome.NotFound();
            var aside = db.UndeliveredEvents.Where(u => u.Service == id);
            if (client.PushUrl is null && !await aside.AnyAsync(ct)) return new Outcome.NotFound();
            await aside.ExecuteUpdateAsync(set => set.SetProperty(u => u.Again, true), ct);
            await NowAsync(id, ct);
            audit.Add("service-push-retried", user.Id, user.SessionId, detail: id);
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
        }

        push.Again(id);
        return new Outcome.Done();
    }

    private async Task<Outcome> RunAsync(string id, string action, CurrentUser user, Func<OAuthClient, Task<Outcome>> decide, CancellationToken ct)
    {
        Outcome outcome = new Outcome.NotFound();
        await change.RunAsync(async () =>
        {
            if (!await db.IsStillAdminAsync(user, ct))
            {
                outcome = new Outcome.Forbidden();
                return false;
            }

            if (await db.FindClientAsync(id, ct) is not { } client) return false;
            outcome = client.Declared ? new Outcome.Invalid([new Fault("This service is declared in the settings. Change its receiver there.", Said: () => Text.DeclaredHere)]) : await decide(client);
            if (outcome is not Outcome.Done) return false;
            client.ConcurrencyToken = Guid.NewGuid().ToString();
            audit.Add(action, user.Id, user.SessionId, detail: id);
            return true;
        }, ct);
        return outcome;
    }

    // Whoever has set something right doesn't wait for a pause to end.
    private Task<int> NowAsync(string id, CancellationToken ct) =>
        db.PushPositions.Where(p => p.Service == id).ExecuteUpdateAsync(set => set.SetProperty(p => p.NextAttemptAt, DateTimeOffset.UnixEpoch), ct);

    private static bool SameHost(string known, string url) =>
        Uri.TryCreate(known, UriKind.Absolute, out var a) && Uri.TryCreate(url, UriKind.Absolute, out var b) && Uri.Compare(a, b, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped, StringComparison.OrdinalIgnoreCase) == 0;

    private static Results<NoContent, ProblemHttpResult> Answer(Outcome outcome) => outcome switch
    {
        Outcome.Done => TypedResults.NoContent(),
        Outcome.Invalid(var faults) => Problems.Invalid(faults),
        Outcome.Forbidden => Problems.Forbidden(),
        _ => Problems.NotFound(),
    };
}
