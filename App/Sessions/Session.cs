using App.Data;
using App.Events;
using App.Tokens;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Sessions;

/// <summary>One signed-in device of a user. Lives until it expires or is revoked.</summary>
internal sealed class Session : IEntityTypeConfiguration<Session>
{
    /// <summary>How long a proof of who they are lets a person change what signs them in, and end other sessions.</summary>
    public static readonly TimeSpan ProofLasts = TimeSpan.FromMinutes(10);

    /// <summary>The <c>sid</c>.</summary>
    public Guid Id { get; set; }

    public Guid UserId { get; set; }
    public DateTimeOffset StartedAt { get; set; }

    /// <summary>The last renewal, so correct to one access token's life.</summary>
    public DateTimeOffset LastSeenAt { get; set; }

    /// <summary>The absolute end; idleness may end it before.</summary>
    public DateTimeOffset ExpiresAt { get; set; }

    /// <summary>When the person last proved who they are.</summary>
    public DateTimeOffset AuthenticatedAt { get; set; }

    public DateTimeOffset? RevokedAt { get; set; }
    public string? RevokedBecause { get; set; }

    /// <summary>How they proved it: RFC 8176 values, separated by spaces.</summary>
    public string Amr { get; set; } = "";

    public string Address { get; set; } = "";
    public string UserAgent { get; set; } = "";

    /// <summary>SHA-256 of the refresh token in force; the token itself is stored nowhere.</summary>
    public byte[] RefreshHash { get; set; } = [];

    /// <summary>SHA-256 of its direct parent, which gets the same successor for a few seconds after <see cref="RotatedAt"/>.</summary>
    public byte[]? ParentHash { get; set; }

    public DateTimeOffset? RotatedAt { get; set; }

    void IEntityTypeConfiguration<Session>.Configure(EntityTypeBuilder<Session> builder)
    {
        builder.ToTable("Sessions");
        builder.Property(s => s.Id).ValueGeneratedNever();
        builder.Property(s => s.RevokedBecause).HasMaxLength(40);
        builder.Property(s => s.Amr).HasMaxLength(60);
        builder.Property(s => s.Address).HasMaxLength(64);
        builder.Property(s => s.UserAgent).HasMaxLength(256);
        builder.Property(s => s.RefreshHash).HasMaxLength(32);
        builder.Property(s => s.ParentHash).HasMaxLength(32);
        builder.HasOne<User>().WithMany().HasForeignKey(s => s.UserId).OnDelete(DeleteBehavior.Cascade);
        builder.HasMany<BoundAudience>().WithOne().HasForeignKey(b => b.SessionId).OnDelete(DeleteBehavior.Cascade);
        builder.HasIndex(s => new { s.UserId, s.RevokedAt });
        builder.HasIndex(s => s.ExpiresAt);
    }
}

internal static class SessionTable
{
    /// <summary>Those that are neither ended nor run out.</summary>
    public static IQueryable<Session> Living(this IQueryable<Session> sessions, DateTimeOffset now, SessionOptions options)
    {
        var seenAfter = now - options.IdleLifetime;
        return sessions.Where(s => s.RevokedAt == null && s.ExpiresAt > now && s.LastSeenAt > seenAfter);
    }

    extension(AppDb db)
    {
        public DbSet<Session> Sessions => db.Set<Session>();

        /// <summary>
        /// Whether the person behind this session has proved who they are within <see cref="Session.ProofLasts"/>.
        /// A token that says so is enough; an older one may have been overtaken by what its row says. It is at least as late as when the token was issued:
        /// a clock that is set back brings no proof back. Nor does one that was ahead make a proof last: what is later than now, by more than clocks may differ, is none.
        /// </summary>
        public async Task<bool> IsProofRecentAsync(CurrentUser user, DateTimeOffset now, CancellationToken ct)
        {
            var issued = DateTimeOffset.FromUnixTimeSeconds(user.IssuedAt);
            var reference = now > issued ? now : issued;
            var (since, until) = (reference - Session.ProofLasts, reference + TokenOptions.ClockSkew);
            return (user.AuthTime >= since.ToUnixTimeSeconds() && user.AuthTime <= until.ToUnixTimeSeconds())
                || await db.Sessions.AnyAsync(s => s.Id == user.SessionId && s.AuthenticatedAt >= since && s.AuthenticatedAt <= until, ct);
        }
    }
}

/// <summary>A session as a renewal needs it.</summary>
internal sealed record RenewableSession(Session Session, User User, IReadOnlyList<string> Roles);

/// <summary>Whose a session is, and whether it still lives.</summary>
/// <param name="TokensNotBefore">Seconds since 1970: what was issued to its user then or before is refused.</param>
internal sealed record SessionLife(Guid UserId, DateTimeOffset? RevokedAt, DateTimeOffset ExpiresAt, DateTimeOffset LastSeenAt, long? TokensNotBefore);

/// <summary>The statements of sign-in and renewal, and the look-up that each new token costs.</summary>
internal static class SessionSql
{
    // Session, user and roles in one round trip: a row per role, or one without.
    private const string Renewable = """
        SELECT s."UserId", s."ExpiresAt", s."LastSeenAt", s."AuthenticatedAt", s."RevokedAt", s."Amr", s."RefreshHash", s."ParentHash", s."RotatedAt",
               u."Email", u."EmailConfirmed", u."Name", u."TokensNotBefore", r."Name", s."RevokedBecause"
        FROM "Sessions" s JOIN "AspNetUsers" u ON u."Id" = s."UserId"
        LEFT JOIN "AspNetUserRoles" ur ON ur."UserId" = u."Id" LEFT JOIN "AspNetRoles" r ON r."Id" = ur."RoleId"
        WHERE s."Id" = @id
        """;

    // The condition on the hash lets one of many win; the one on RevokedAt lets no renewal win against a revoke; the last one, none against a
    // change of the person: its token would say what was so before, and be too young to be refused.
    private const string Rotate = """
        UPDATE "Sessions" SET "RefreshHash" = @next, "ParentHash" = @hash, "RotatedAt" = @now, "LastSeenAt" = @now
        WHERE "Id" = @id AND "RefreshHash" = @hash AND "RevokedAt" IS NULL
        AND NOT EXISTS (SELECT 1 FROM "AspNetUsers" u WHERE u."Id" = @userId AND u."TokensNotBefore" > @notBefore)
        """;

    private const string Hold = """UPDATE "AspNetUsers" SET "LockoutEnd" = "LockoutEnd" WHERE "Id" = @userId""";

    private const string Insert = """
        INSERT INTO "Sessions" ("Id", "UserId", "StartedAt", "LastSeenAt", "ExpiresAt", "AuthenticatedAt", "Amr", "Address", "UserAgent", "RefreshHash")
        SELECT @id, "Id", @startedAt, @lastSeenAt, @expiresAt, @authenticatedAt, @amr, @address, @userAgent, @refreshHash
        FROM "AspNetUsers" WHERE "Id" = @userId AND "LockoutEnd" IS NULL
        """;

    private const string Roles = """SELECT r."Name" FROM "AspNetUserRoles" ur JOIN "AspNetRoles" r ON r."Id" = ur."RoleId" WHERE ur."UserId" = @userId""";

    private const string Life = """
        SELECT s."UserId", s."RevokedAt", s."ExpiresAt", s."LastSeenAt", u."TokensNotBefore" FROM "Sessions" s JOIN "AspNetUsers" u ON u."Id" = s."UserId" WHERE s."Id" = @id
        """;

    // Each of a session's tokens is issued when one of these says, or before.
    private const string Newest = """SELECT MAX("LastSeenAt"), MAX("AuthenticatedAt") FROM "Sessions" WHERE "UserId" = @userId AND "RevokedAt" IS NULL""";

    extension(AppDb db)
    {
        public async Task<RenewableSession?> FindRenewableAsync(Guid id, CancellationToken ct)
        {
            RenewableSession? found = null;
            List<string> roles = [];
            await db.ReadAsync(Renewable, row =>
            {
                if (row.TextOrNull(13) is { } role) roles.Add(role);
                if (found is not null) return;
                var session = new Session
                {
                    Id = id,
                    UserId = row.GetGuid(0),
                    ExpiresAt = row.Time(1),
                    LastSeenAt = row.Time(2),
                    AuthenticatedAt = row.Time(3),
                    RevokedAt = row.TimeOrNull(4),
                    Amr = row.GetString(5),
                    RefreshHash = row.GetFieldValue<byte[]>(6),
                    ParentHash = row.IsDBNull(7) ? null : row.GetFieldValue<byte[]>(7),
                    RotatedAt = row.TimeOrNull(8),
                    RevokedBecause = row.TextOrNull(14),
                };
                var user = new User { Id = session.UserId, Email = row.GetString(9), EmailConfirmed = row.GetBoolean(10), Name = row.TextOrNull(11), TokensNotBefore = row.IsDBNull(12) ? null : row.GetInt64(12) };
                found = new RenewableSession(session, user, roles);
            }, ct, ("@id", id));
            return found;
        }

        /// <returns>False where somebody else rotated it, ended the session, or changed the person, since it was looked at.</returns>
        public async Task<bool> RotateAsync(RenewableSession found, byte[] hash, byte[] next, CancellationToken ct) =>
            await db.WriteAsync(Rotate, ct, ("@id", found.Session.Id), ("@userId", found.User.Id), ("@notBefore", found.User.TokensNotBefore ?? -1),
                ("@hash", hash), ("@next", next), ("@now", found.Session.LastSeenAt)) == 1;

        /// <summary>
        /// A person's row is held until the commit: what is asked of their password, lock, factors and sessions from here on stays so.
        /// Before what is decided by them is read, and before other rows of theirs are written. On SQLite whoever writes is alone.
        /// </summary>
        public Task HoldUserAsync(Guid userId, CancellationToken ct) => db.IsSqlite ? Task.CompletedTask : db.WriteAsync(Hold, ct, ("@userId", userId));

        /// <returns>False where the account is locked: its sessions have ended, and none begins.</returns>
        public async Task<bool> InsertAsync(Session session, CancellationToken ct)
        {
            await db.HoldUserAsync(session.UserId, ct);
            return await db.WriteAsync(Insert, ct,
                ("@id", session.Id), ("@userId", session.UserId), ("@startedAt", session.StartedAt), ("@lastSeenAt", session.LastSeenAt),
                ("@expiresAt", session.ExpiresAt), ("@authenticatedAt", session.AuthenticatedAt), ("@amr", session.Amr),
                ("@address", session.Address), ("@userAgent", session.UserAgent), ("@refreshHash", session.RefreshHash)) == 1;
        }

        /// <summary>As <see cref="NewestToken"/> says.</summary>
        public async Task<DateTimeOffset?> FindNewestAsync(Guid userId, CancellationToken ct)
        {
            DateTimeOffset? newest = null;
            await db.ReadAsync(Newest, row => newest = row.TimeOrNull(0) > row.TimeOrNull(1) ? row.TimeOrNull(0) : row.TimeOrNull(1), ct, ("@userId", userId));
            return newest;
        }

        public async Task<IReadOnlyList<string>> FindRolesAsync(Guid userId, CancellationToken ct)
        {
            List<string> roles = [];
            await db.ReadAsync(Roles, row => roles.Add(row.GetString(0)), ct, ("@userId", userId));
            return roles;
        }

        /// <summary>Whether somebody whose page stays open is signed in still, and holds the role still.</summary>
        public async Task<bool> HoldsStillAsync(CurrentUser user, string role, DateTimeOffset now, SessionOptions options, CancellationToken ct) =>
            await db.Sessions.Living(now, options).AnyAsync(s => s.Id == user.SessionId, ct) && (await db.FindRolesAsync(user.Id, ct)).Contains(role);

        public async Task<SessionLife?> FindLifeAsync(Guid id, CancellationToken ct)
        {
            SessionLife? found = null;
            await db.ReadAsync(Life, row => found = new SessionLife(row.GetGuid(0), row.TimeOrNull(1), row.Time(2), row.Time(3), row.IsDBNull(4) ? null : row.GetInt64(4)), ct, ("@id", id));
            return found;
        }
    }
}
