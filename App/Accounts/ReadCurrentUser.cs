using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Accounts;

/// <summary>Who is calling, for anybody who asks: null for a stranger and for every token that isn't good, always 200.</summary>
internal static class ReadCurrentUser
{
    private const string Json = "application/json; charset=utf-8";

    private static readonly byte[] Nobody = Write(null);

    // The same token gets the same answer: its bytes live as long as the verified token they belong to.
    private static readonly ConditionalWeakTable<CurrentUser, byte[]> Answers = [];

    /// <summary>Who is calling, by cookie or bearer token: 200 with null for a stranger and for every token that isn't good, never 401.</summary>
    public static Utf8ContentHttpResult Handle(CurrentUser? user) =>
        TypedResults.Text(user is null ? Nobody : Answers.GetValue(user, Write), Json);

    /// <summary>
    /// Whose the browser's session is, for a page that asks by itself: an id, or nothing. It renews none:
    /// a session that nobody uses ends, though a page of it may be in sight all the time.
    /// </summary>
    public static async Task<ContentHttpResult> WhoAsync(CurrentUser? user, SessionCookies cookies, RefreshKey refreshKey, HttpContext http)
    {
        var id = user?.Id;
        if (id is null && RefreshToken.Parse(cookies.Read(http.Request).Refresh.ToString(), refreshKey) is { } token)
            id = (await http.RequestServices.GetRequiredService<RenewSession>().FindAsync(token, http.RequestAborted))?.UserId;
        return TypedResults.Text(id?.ToString() ?? "");
    }

    private static byte[] Write(CurrentUser? user) => JsonSerializer.SerializeToUtf8Bytes(
        new CurrentUserAnswer(user is null ? null : new CurrentUserView(user.Id, user.Email, user.Name, user.Roles, user.SessionId, user.IssuedAt, user.ExpiresAt)),
        CurrentUserJson.Default.CurrentUserAnswer);
}

internal sealed record CurrentUserAnswer([property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] CurrentUserView? CurrentUser);

/// <param name="Sid">The session's id.</param>
/// <param name="Iat">When the token was issued, seconds since 1970.</param>
/// <param name="Exp">When it expires, seconds since 1970.</param>
internal sealed record CurrentUserView(Guid Id, string Email, string? Name, IReadOnlyList<string> Roles, Guid Sid, long Iat, long Exp);

[JsonSerializable(typeof(CurrentUserAnswer))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
internal sealed partial class CurrentUserJson : JsonSerializerContext;
