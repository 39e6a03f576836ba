using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Accounts;

public sealed class TokenRequest
{
    [Required, AllowNull, MaxLength(254)] public string Email { get; set => field = value ?? ""; } = "";
    [Required, AllowNull, MaxLength(1024)] public string Password { get; set => field = value ?? ""; } = "";

    /// <summary>A code of the authenticator app, or a recovery code, where two-step sign-in is on.</summary>
    [MaxLength(64)] public string? Code { get; set; }
}

/// <summary>Sign-in for programs: the same decision as everywhere, answered with tokens and no cookies.</summary>
internal static class IssueTokens
{
    public static async Task<Results<Ok<TokenAnswer>, ProblemHttpResult>> HandleAsync(TokenRequest request, SignIn signIn, HttpContext http, CancellationToken ct)
    {
        var outcome = await signIn.TryAsync(new SignInRequest { Email = request.Email, Password = request.Password }, Client.Of(http), [], ct, request.Code is { Length: > 0 } code ? code : null);
        return outcome is SignIn.Outcome.SignedIn(var grant)
            ? TypedResults.Ok(grant.ToAnswer())
            : SignIn.Refusal(outcome, http, rejected: StatusCodes.Status401Unauthorized);
    }
}
