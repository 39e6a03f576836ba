using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Mail;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

public sealed class MyDataRequest
{
    /// <summary>The password in force.</summary>
    [Required, MaxLength(1024)] public string Password { get; set; } = "";
}

/// <summary>Everything we hold about a person, as JSON, for them alone. Secrets and their hashes aren't in it: they are of use only to us, or to a thief.</summary>
internal sealed class MyData(AppDb db, CheckPassword check, IEnumerable<PersonalData> parts, AuditLog audit)
{
    private static readonly JsonSerializerOptions Readable = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public abstract record Outcome
    {
        public sealed record Told(byte[] Json) : Outcome;

        /// <param name="Why">Not <see cref="CheckPassword.Outcome.Right"/>.</param>
        public sealed record Refused(CheckPassword.Outcome Why) : Outcome;
    }

    /// <summary>What the slices below know of.</summary>
    public static IEnumerable<PersonalData> Own =>
    [
        new("account", async (db, id, ct) => await db.Users.Where(u => u.Id == id).Select(u => new
        {
            u.Id,
            u.Email,
            u.EmailConfirmed,
            u.Name,
            u.Language,
            u.CreatedAt,
        }).SingleOrDefaultAsync(ct) as object ?? new { }),
        new("roles", async (db, id, ct) => await db.UserRoles.Where(r => r.UserId == id).Join(db.Roles, r => r.RoleId, role => role.Id, (_, role) => role.Name).ToListAsync(ct)),
        new("sessions", async (db, id, ct) => await db.Sessions.Where(s => s.UserId == id).OrderBy(s => s.StartedAt).Select(s => new
        {
            s.Id,
            s.StartedAt,
            s.LastSeenAt,
            s.ExpiresAt,
            s.AuthenticatedAt,
            s.RevokedAt,
            s.RevokedBecause,
            s.Amr,
            s.Address,
            s.UserAgent,
        }).ToListAsync(ct)),
        new("activity", async (db, id, ct) => (await db.Audit.AsNoTracking().Where(a => a.UserId == id).OrderBy(a => a.Id).ToListAsync(ct))
            .Select(a => new { a.At, a.Action, By = Actor.By(a), a.SessionId, a.Address, Detail = Actor.DetailForOwner(a) }),
            (db, id, ct) => db.Audit.Where(a => a.UserId == id).ExecuteDeleteAsync(ct)),
        new("letters", async (db, id, ct) => await db.Outbox.Where(l => l.UserId == id).OrderBy(l => l.CreatedAt).Select(l => new { l.CreatedAt, l.SentAt }).ToListAsync(ct),
            (db, id, ct) => db.Outbox.Where(l => l.UserId == id).ExecuteDeleteAsync(ct)),
        new("linksInLetters", async (db, id, ct) => await db.Set<OneTimeLink>().Where(l => l.UserId == id).Select(l => new { l.Purpose, l.ExpiresAt, l.UsedAt }).ToListAsync(ct)),
    ];

    /// <summary>Everything that is held about the caller, as one JSON object; no secrets, nor their hashes. 400 for a wrong password, 429 after ten.</summary>
    public static async Task<Results<FileContentHttpResult, ProblemHttpResult>> HandleAsync(MyDataRequest request, CurrentUser user, MyData data, HttpContext http, CancellationToken ct) =>
        await data.TryAsync(request.Password, user, Client.Of(http), ct) switch
        {
            Outcome.Told(var json) => TypedResults.File(json, "application/json"),
            Outcome.Refused(var why) => CheckPassword.Problem(why, http),
            _ => throw new UnreachableException(),
        };

    public async Task<Outcome> TryAsync(string password, CurrentUser caller, Client client, CancellationToken ct)
    {
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == caller.Id, ct) is not { } user) return new Outcome.Refused(new CheckPassword.Outcome.Gone());
        if (await check.OfAsync(user, password, caller, client, ct) is not CheckPassword.Outcome.Right and var refused) return new Outcome.Refused(refused);

        await using var transaction = await db.BeginWriteAsync(ct);
        if (await check.OvertakenAsync(user, caller, ct) is { } over) return new Outcome.Refused(over);
        audit.Add("data-taken", user.Id, caller.SessionId, client.Address);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        var all = new JsonObject();
        foreach (var part in parts)
            if (part.ReadAsync is { } read) all[part.Name] = JsonSerializer.SerializeToNode(await read(db, user.Id, ct), Readable);
        // Deleted meanwhile, at another replica perhaps.
        if (!await db.Users.AnyAsync(u => u.Id == user.Id, ct)) return new Outcome.Refused(new CheckPassword.Outcome.Gone());
        return new Outcome.Told(JsonSerializer.SerializeToUtf8Bytes(all, Readable));
    }
}
