using System.ComponentModel.DataAnnotations;
using App.Audit;
using App.Data;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

public sealed class SignUpRequest
{
    [Required, MaxLength(254)] public string Email { get; set; } = "";
    [Required, MaxLength(1024)] public string Password { get; set; } = "";
    [MaxLength(200)] public string? Name { get; set; }
}

/// <summary>The answer of sign-up and sign-in, exactly as the course's.</summary>
internal sealed record SignedInUser(string Email, Guid Id);

/// <summary>A stranger becomes a user, signed in. The endpoint and the page both end here.</summary>
internal sealed partial class SignUp(
    AppDb db, PasswordPolicy policy, PasswordChecks passwords, StartSession start, AuditLog audit, TimeProvider time, ILogger<SignUp> logger)
{
    private const int LongestName = 200;

    public abstract record Outcome
    {
        public sealed record SignedUp(Grant Grant) : Outcome;
        public sealed record EmailInUse : Outcome;
        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;
    }

    public static async Task<Results<Created<SignedInUser>, ProblemHttpResult>> HandleAsync(
        HttpContext http, HeldSessions held, SignUp signUp, SessionCookies cookies, CancellationToken ct)
    {
        if (await CourseBody.ReadAsync(http.Request, ct) is not { } body) return Problems.BadRequest("Malformed JSON");
        var request = new SignUpRequest { Email = body.Text("email"), Password = body.Text("password"), Name = body.Text("name") };
        switch (await signUp.TryAsync(request, Client.Of(http), held.ReplacedBySignIn(http), ct))
        {
            case Outcome.SignedUp(var grant):
                cookies.Write(http, grant);
                return TypedResults.Created((string?)null, new SignedInUser(grant.User.Email, grant.User.Id));
            case Outcome.Invalid(var faults):
                return Problems.Invalid(faults);
            default:
                return Problems.EmailInUse();
        }
    }

    /// <param name="replaced">The sessions this browser held until now, which the new one replaces.</param>
    public async Task<Outcome> TryAsync(SignUpRequest request, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct)
    {
        var faults = new List<Fault>();
        var named = !string.IsNullOrWhiteSpace(request.Name);
        var name = named ? NameOf(request.Name!) : null;
        if (!EmailAddress.TryParse(request.Email, out var email)) faults.Add(new Fault("Email must be valid", "email"));
        faults.AddRange(policy.Check(request.Password, request.Email, name));
        if (named && name is null) faults.Add(new Fault("Name must be at most 200 characters of text", "name"));
        if (faults.Count > 0 || email is null) return new Outcome.Invalid(faults);
        var now = time.GetUtcNow();
        var user = new User
        {
            Id = Guid.CreateVersion7(now),
            Email = email.Text,
            NormalizedEmail = email.Key,
            UserName = email.Text,
            NormalizedUserName = email.Key,
            Name = name,
            PasswordHash = await passwords.HashAsync(request.Password, ct),
            SecurityStamp = Guid.NewGuid().ToString("N"),
            CreatedAt = now,
        };
        return await SaveAsync(user, client, replaced, ct);
    }

    // NFC, as for everything that people type: keyboards differ in how they compose an accent. Null for what can't be a name.
    private static string? NameOf(string typed) =>
        PasswordText.Normalize(typed.Trim()) is { Length: <= LongestName } text && !text.Any(char.IsControl) ? text : null;

    // Account, session, audit and the replaced session's event: all or nothing.
    private async Task<Outcome> SaveAsync(User user, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct)
    {
        try
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            db.Users.Add(user);
            audit.Add("signed-up", user.Id, address: client.Address);
            var grant = await start.BeginAsync(user, ["pwd"], client, replaced, ct);
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            Made(user.Id);
            return new Outcome.SignedUp(grant);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return new Outcome.EmailInUse(); // somebody was faster
        }
    }

    [LoggerMessage(5001, LogLevel.Information, "User {UserId} signed up")]
    private partial void Made(Guid userId);
}
