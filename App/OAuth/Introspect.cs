using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using App.Events;
using App.Sessions;
using App.Tokens;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.OAuth;

/// <summary>
/// "Is this token good, now?" (RFC 7662). The same decision as at our own doors; whatever isn't good, or isn't for the asking service,
/// gets the same few bytes, so that nothing is learnt from the difference.
/// </summary>
internal sealed class Introspect(
    CheckToken check, ServiceTokens serviceTokens, RefreshKey refreshKey, App.Sessions.SessionOptions sessions, TokenOptions tokens, PublicUrl publicUrl)
{
    private const string Json = "application/json; charset=utf-8";

    private static readonly byte[] Inactive = """{"active":false}"""u8.ToArray();

    // The same token gets the same answer: its bytes live as long as the verified token they belong to.
    private static readonly ConditionalWeakTable<CurrentUser, byte[]> Answers = [];

    /// <summary>
    /// Form member <c>token</c>: an access token, a refresh token, or a service's own. 200 for a service that proved who it is, whatever the token is
    /// worth, and however large or broken it came; 400 where there is none, or more than one.
    /// 503 while this process doesn't hear what others revoke: its own knowledge, which our doors go on with, isn't what was asked for.
    /// </summary>
    public static async Task<Results<Utf8ContentHttpResult, ProblemHttpResult>> HandleAsync(CallingService service, Introspect introspect, FollowLog log, HttpContext http, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        var form = await ConnectForm.ReadAsync(http);
        if (!await log.IsCurrentAsync()) return Problems.Unavailable(http, TimeSpan.FromSeconds(2));
        if (form?["token"] is [{ } token]) return TypedResults.Text(await introspect.TryAsync(token, service, http, ct) ?? Inactive, Json);
        return ConnectForm.IsUnread(http) ? TypedResults.Text(Inactive, Json) : ConnectForm.Refuse(http, ConnectDocs.NoToken);
    }

    /// <returns>The answer for a token that is good; null for everything else.</returns>
    public async ValueTask<byte[]?> TryAsync(string token, CallingService service, HttpContext http, CancellationToken ct)
    {
        // A service with an audience of its own is told nothing of tokens meant for everybody, nor anybody of another's (section 4).
        var takesAll = service.Audience is null || service.Audience == tokens.Audience;
        if (takesAll && await check.RunAsync(token.AsMemory(), Carrier.Bearer, http) is { } known)
            return Answers.GetValue(CurrentUser.From(known.Principal)!, Describe);
        if (await check.RunBoundAsync(token, service.Audience ?? service.Id, http) is { } bound)
            return Answers.GetValue(CurrentUser.From(bound.Principal)!, Describe);
        if (!takesAll) return null;
        if (await serviceTokens.CheckAsync(token) is var (_, said)) return Write(json => Describe(json, said));
        return RefreshToken.Parse(token, refreshKey) is { } refresh ? await DescribeAsync(refresh, http, ct) : null;
    }

    private byte[] Describe(CurrentUser user) => Write(json =>
    {
        json.WriteString("token_type", "Bearer");
        json.WriteString("sub", user.Id);
        json.WriteString("sid", user.SessionId);
        json.WriteString("jti", user.TokenId);
        json.WriteString("username", user.Email);
        json.WriteString("email", user.Email);
        json.WriteBoolean("email_verified", user.EmailVerified);
        if (user.Name is { } name) json.WriteString("name", name);
        WriteList(json, "roles", user.Roles);
        WriteList(json, "amr", user.Amr);
        WriteActors(json, user.Actors);
        WriteList(json, "aud", [user.Audience ?? tokens.Audience]);
        json.WriteNumber("iat", user.IssuedAt);
        json.WriteNumber("exp", user.ExpiresAt);
        json.WriteNumber("auth_time", user.AuthTime);
    });

    private void Describe(Utf8JsonWriter json, ServiceToken token)
    {
        json.WriteString("token_type", "Bearer");
        json.WriteString("sub", token.ClientId);
        json.WriteString("client_id", token.ClientId);
        json.WriteString("jti", token.TokenId);
        if (token.Scope.Length > 0) json.WriteString("scope", token.Scope);
        WriteList(json, "aud", [tokens.Audience]);
        json.WriteNumber("iat", token.IssuedAt);
        json.WriteNumber("exp", token.ExpiresAt);
    }

    private async Task<byte[]?> DescribeAsync(RefreshToken token, HttpContext http, CancellationToken ct)
    {
        // Only here: an access token, which is nearly every question, needs no context at all.
        if (await http.RequestServices.GetRequiredService<RenewSession>().FindAsync(token, ct) is not { } session) return null;
        return Write(json =>
        {
            json.WriteString("token_type", "refresh_token");
            json.WriteString("sub", session.UserId);
            json.WriteString("sid", session.Id);
            json.WriteNumber("exp", sessions.EndOf(session.ExpiresAt, session.LastSeenAt).ToUnixTimeSeconds());
        });
    }

    private byte[] Write(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteBoolean("active", true);
            json.WriteString("iss", publicUrl.Issuer);
            members(json);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteActors(Utf8JsonWriter json, IReadOnlyList<string> actors)
    {
        foreach (var actor in actors)
        {
            json.WriteStartObject("act");
            json.WriteString("sub", actor);
        }

        for (var i = 0; i < actors.Count; i++) json.WriteEndObject();
    }

    private static void WriteList(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        if (values.Count == 0) return;
        json.WriteStartArray(name);
        foreach (var value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
