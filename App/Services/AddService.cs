using System.ComponentModel.DataAnnotations;
using App.Audit;
using App.Data;
using App.OAuth;
using App.Profile;
using App.Tokens;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Services;

public sealed class AddServiceRequest
{
    /// <summary>Its OAuth client_id: 1 to 64 of a-z, 0-9 and hyphen.</summary>
    [Required, MaxLength(64)] public string Id { get; set; } = "";

    /// <summary>What it is called on pages; by default its id.</summary>
    [MaxLength(ServiceDescription.LongestName)] public string? Name { get; set; }

    /// <summary>How it learns who is calling it: <c>ChecksItself</c>, the default, <c>Asks</c> or <c>Gateway</c>.</summary>
    [MaxLength(20)] public string? Trust { get; set; }

    /// <summary>The audience that it alone accepts, printable ASCII without spaces; left out, it takes the tokens meant for everybody.</summary>
    [MaxLength(200)] public string? Audience { get; set; }

    /// <summary>Scopes that it may ask for, each 1 to 60 characters (RFC 6749 section 3.3).</summary>
    [MaxLength(20)] public string[]? Scopes { get; set; }

    /// <summary>Each https, or http on a loopback address, without a fragment; 500 characters at most.</summary>
    [MaxLength(20)] public string[]? RedirectUris { get; set; }
}

/// <summary>An admin registers a service; its secret is made here and told once.</summary>
internal sealed class AddService(AppDb db, ChangeRegistry change, ServiceSecretKey secretKey, TokenOptions tokens, AuditLog audit, TimeProvider time)
{
    private const string Made = "service-created";

    public abstract record Outcome
    {
        public sealed record Added(NewSecret Secret) : Outcome;

        /// <param name="JustMade">The id is that of a service which the caller registered within the last minute: a form that is sent twice.</param>
        public sealed record Invalid(IReadOnlyList<Fault> Faults, bool JustMade = false) : Outcome;

        /// <summary>The caller is no admin any more.</summary>
        public sealed record Forbidden : Outcome;
    }

    /// <summary>
    /// Registers a service, which may ask for tokens of its own and exchange people's (RFC 8693). 201 with its secret, shown this once.
    /// 400 with the <c>field</c> at fault, as for an id that is taken.
    /// </summary>
    public static async Task<Results<Created<NewSecret>, ProblemHttpResult>> HandleAsync(AddServiceRequest request, CurrentUser user, AddService add, HttpContext http, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        return await add.TryAsync(request, user, ct) switch
        {
            Outcome.Added(var secret) => TypedResults.Created($"/api/admin/services/{secret.ClientId}", secret),
            Outcome.Invalid(var faults, _) => Problems.Invalid(faults),
            Outcome.Forbidden => Problems.Forbidden(),
            _ => Problems.NotFound(),
        };
    }

    public async Task<Outcome> TryAsync(AddServiceRequest request, CurrentUser user, CancellationToken ct)
    {
        var id = request.Id?.Trim() ?? "";
        if (!Enum.TryParse<TrustMode>(request.Trust ?? nameof(TrustMode.ChecksItself), out var trust) || !Enum.IsDefined(trust))
            return new Outcome.Invalid([new Fault($"Trust is one of: {string.Join(", ", Enum.GetNames<TrustMode>())}", "trust")]);
        var service = new ServiceDescription(
            id, string.IsNullOrWhiteSpace(request.Name) ? id : request.Name.Trim(), trust, string.IsNullOrWhiteSpace(request.Audience) ? null : request.Audience.Trim(),
            request.Scopes ?? [], ServiceDescription.UsualGrants, request.RedirectUris ?? []);
        var faults = ServiceRules.Faults(service).Select(f => f with { Field = char.ToLowerInvariant(f.Field![0]) + f.Field[1..] }).ToList();
        // Without one the id is its name: what is wrong with that is said once.
        if (string.IsNullOrWhiteSpace(request.Name)) faults.RemoveAll(f => f.Field == "name");
        if (faults.Count > 0) return new Outcome.Invalid(faults);

        var secret = ServiceSecret.Generate();
        try
        {
            Outcome? outcome = null;
            await change.RunAsync(async () =>
            {
                if (!await db.IsStillAdminAsync(user, ct))
                {
                    outcome = new Outcome.Forbidden();
                    return false;
                }

                var others = await db.OAuthClients.AsNoTracking().ToListAsync(ct);
                if (others.Exists(c => c.ClientId == id)) return false;
                if (ServiceRules.ApartOnlyInCase([tokens.Audience, .. others.SelectMany(c => c.Names), id, service.Audience ?? id]) is not null)
                {
                    outcome = Taken("There is an id or audience that differs from this only in the case of its letters", "audience", () => Text.CaseTaken);
                    return false;
                }

                var client = new OAuthClient
                {
                    Id = Guid.CreateVersion7(time.GetUtcNow()),
                    ClientId = id,
                    CreatedAt = time.GetUtcNow(),
                    SecretHash = secret.Hash(secretKey, id),
                    SecretSetAt = time.GetUtcNow(),
                };
                client.Describe(service);
                db.Add(client);
                audit.Add(Made, user.Id, user.SessionId, detail: id);
                outcome = new Outcome.Added(new NewSecret(id, secret.Reveal()));
                return true;
            }, ct);
            return outcome ?? await IdTakenAsync();
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return await IdTakenAsync();
        }

        async Task<Outcome> IdTakenAsync()
        {
            var since = time.GetUtcNow().AddMinutes(-1);
            return Taken("There is a service with this id", "id", () => Text.IdTaken) with
            {
                JustMade = await db.Audit.AnyAsync(a => a.UserId == user.Id && a.Action == Made && a.Detail == id && a.At > since, ct),
            };
        }

        static Outcome.Invalid Taken(string why, string field, Func<string> said) => new Outcome.Invalid([new Fault(why, field, said)]);
    }
}
