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
    /// <summary>
    /// Sign-in for programs: a password, and where two-step sign-in is on a code, become an access token and a refresh token. No cookies.
    /// 401 for a wrong password, an unknown address and a locked account alike, with <c>field</c> <c>code</c> for a wrong code, and with <c>mfa_required</c> where one is due and wasn't sent.
    /// 400 for an address that can't be one, or without a password. 429 after ten wrong guesses within 15 minutes.
    /// </summary>
    public static async Task<Results<Ok<TokenAnswer>, ProblemHttpResult>> HandleAsync(TokenRequest request, SignIn signIn, HttpContext http, CancellationToken ct)
    {
        var outcome = await signIn.TryAsync(new SignInRequest { Email = request.Email, Password = request.Password }, Client.Of(http), [], ct, request.Code is { Length: > 0 } code ? code : null);
        return outcome is SignIn.Outcome.SignedIn(var grant)
            ? TypedResults.Ok(grant.ToAnswer())
            : SignIn.Refusal(outcome, http, rejected: StatusCodes.Status401Unauthorized);
    }
}
