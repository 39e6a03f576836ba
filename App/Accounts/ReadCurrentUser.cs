using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Accounts;

/// <summary>Who is calling, for anybody who asks: null for a stranger and for every token that isn't good, always 200.</summary>
internal static class ReadCurrentUser
{
    public static Ok<CurrentUserAnswer> Handle(CurrentUser? user) => TypedResults.Ok(new CurrentUserAnswer(user is null ? null : new CurrentUserView(
        user.Id, user.Email, user.Name, user.Roles, user.SessionId, user.IssuedAt, user.ExpiresAt)));
}

internal sealed record CurrentUserAnswer([property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] CurrentUserView? CurrentUser);

/// <param name="Sid">The session's id.</param>
/// <param name="Iat">When the token was issued, seconds since 1970.</param>
/// <param name="Exp">When it expires, seconds since 1970.</param>
internal sealed record CurrentUserView(Guid Id, string Email, string? Name, IReadOnlyList<string> Roles, Guid Sid, long Iat, long Exp);
