using App.Audit;
using App.Data;
using App.Events;
using App.OAuth;
using App.Profile;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Services;

/// <summary>An admin replaces a service's secret without a pause, or removes the service. What the settings declare is changed there.</summary>
internal sealed class ChangeService(AppDb db, ChangeRegistry change, ServiceSecretKey secretKey, AuditLog audit, TimeProvider time)
{
    public abstract record Outcome
    {
        public sealed record Rotated(NewSecret Secret) : Outcome;
        public sealed record Done : Outcome;
        public sealed record NotFound : Outcome;
        public sealed record Refused(Fault Why) : Outcome;

        /// <summary>The caller is no admin any more.</summary>
        public sealed record Forbidden : Outcome;
    }

    /// <summary>
    /// Makes a new secret, shown this once; the one in use stays good until it is withdrawn. There are two at most: asked again, the newer one is replaced.
    /// 400 for a service that the settings declare.
    /// </summary>
    /// <param name="id">The service's id.</param>
    public static async Task<Results<Ok<NewSecret>, ProblemHttpResult>> HandleRotateAsync(string id, CurrentUser user, ChangeService service, HttpContext http, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        var outcome = await service.RotateAsync(id, user, ct);
        return outcome is Outcome.Rotated(var secret) ? TypedResults.Ok(secret) : Problem(outcome);
    }

    /// <summary>The older of two secrets, and every token got with it, is good no more. 404 where there is but one.</summary>
    /// <param name="id">The service's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleWithdrawAsync(string id, CurrentUser user, ChangeService service, CancellationToken ct) =>
        Answer(await service.WithdrawAsync(id, user, ct));

    /// <summary>Removes a service: its secrets and the tokens of its own are good no more, and what was to be pushed to it is forgotten. 400 for one that the settings declare.</summary>
    /// <param name="id">The service's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleRemoveAsync(string id, CurrentUser user, ChangeService service, CancellationToken ct) =>
        Answer(await service.RemoveAsync(id, user, ct));

    /// <summary>
    /// A new secret; the one in force stays good until it is withdrawn. Two at most: where there are, the newer one is replaced, which
    /// may have reached nobody, and the one in use still stays good.
    /// </summary>
    /// <param name="shown">When the newest secret was made that whoever asks has seen: a form that is sent twice makes one.</param>
    public async Task<Outcome> RotateAsync(string id, CurrentUser user, CancellationToken ct, long? shown = null)
    {
        var secret = ServiceSecret.Generate();
        return await RunAsync(id, "service-secret-rotated", user, client =>
        {
            if (client.Declared) return new Outcome.Refused(new Fault("This service is declared in the settings. Change its secret there.", Said: () => Text.DeclaredHere));
            if (shown is not null && shown != client.SecretSetAt.UtcTicks) return new Outcome.Refused(new Fault("A new secret was made since this page was shown.", Said: () => Text.SecretMadeSince));
            if (client.OldSecretHash is null) (client.OldSecretHash, client.OldSecretSetAt) = (client.SecretHash, client.SecretSetAt);
            (client.SecretHash, client.SecretSetAt) = (secret.Hash(secretKey, id), time.GetUtcNow());
            return new Outcome.Rotated(new NewSecret(id, secret.Reveal()));
        }, ct);
    }

    /// <summary>The old secret, and every token got with it, is good no more.</summary>
    public Task<Outcome> WithdrawAsync(string id, CurrentUser user, CancellationToken ct) => RunAsync(id, "service-secret-withdrawn", user, client =>
    {
        if (client.OldSecretHash is null) return new Outcome.NotFound();
        (client.OldSecretHash, client.OldSecretSetAt) = (null, null);
        return new Outcome.Done();
    }, ct);

    /// <summary>It learns in another way who is calling it.</summary>
    public Task<Outcome> TrustAsync(string id, TrustMode trust, CurrentUser user, CancellationToken ct) => RunAsync(id, "service-changed", user, client =>
    {
        if (client.Declared) return new Outcome.Refused(new Fault("This service is declared in the settings. Change it there.", Said: () => Text.DeclaredHere));
        client.Describe(client.Description with { Trust = trust });
        return new Outcome.Done();
    }, ct);

    public Task<Outcome> RemoveAsync(string id, CurrentUser user, CancellationToken ct) => RunAsync(id, "service-removed", user, async client =>
    {
        if (client.Declared) return new Outcome.Refused(new Fault("This service is declared in the settings. Remove it there.", Said: () => Text.DeclaredHere));
        db.Remove(client);
        await db.ForgetPushAsync(id, ct);
        await db.ForgetReadersAsync(id, ct);
        return new Outcome.Done();
    }, ct);

    private Task<Outcome> RunAsync(string id, string action, CurrentUser user, Func<OAuthClient, Outcome> decide, CancellationToken ct) =>
        RunAsync(id, action, user, client => Task.FromResult(decide(client)), ct);

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
            outcome = await decide(client);
            if (outcome is not (Outcome.Done or Outcome.Rotated)) return false;
            client.ConcurrencyToken = Guid.NewGuid().ToString();
            audit.Add(action, user.Id, user.SessionId, detail: id);
            return true;
        }, ct);
        return outcome;
    }

    private static Results<NoContent, ProblemHttpResult> Answer(Outcome outcome) => outcome is Outcome.Done ? TypedResults.NoContent() : Problem(outcome);

    private static ProblemHttpResult Problem(Outcome outcome) => outcome switch
    {
        Outcome.Refused(var why) => Problems.Invalid([why]),
        Outcome.Forbidden => Problems.Forbidden(),
        _ => Problems.NotFound(),
    };
}
