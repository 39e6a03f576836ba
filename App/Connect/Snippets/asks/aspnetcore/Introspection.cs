using System.Security.Claims;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

/// <summary>Asks Gatehouse about the token of each request (RFC 7662), so nothing here can be out of date.</summary>
sealed class Introspection(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, IHttpClientFactory clients)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    bool away;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Token() is not { } token) return AuthenticateResult.NoResult();
        JsonElement claims;
        try
        {
            using var question = new FormUrlEncodedContent([new("token", token)]);
            using var answer = await clients.CreateClient("Gatehouse").PostAsync("{issuer}/connect/introspect", question, Context.RequestAborted);
            claims = await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Context.RequestAborted);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or JsonException)
        {
            away = true;
            return AuthenticateResult.Fail(e);
        }

        if (!IsPerson(claims)) return AuthenticateResult.Fail("Nobody is calling with this token.");

        var all = claims.EnumerateObject().SelectMany(claim => claim.Value.ValueKind == JsonValueKind.Array
            ? claim.Value.EnumerateArray().Select(one => new Claim(claim.Name, one.ToString()))
            : [new Claim(claim.Name, claim.Value.ToString())]);
        var user = new ClaimsPrincipal(new ClaimsIdentity(all, Scheme.Name, "name", "roles"));
        return AuthenticateResult.Success(new AuthenticationTicket(user, Scheme.Name));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = away ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status401Unauthorized;
        if (!away) Response.Headers.WWWAuthenticate = "Bearer";
        return Task.CompletedTask;
    }

    // A refresh token, or a service's own, is active too, but nobody is calling with it.
    static bool IsPerson(JsonElement claims) =>
        claims.GetProperty("active").GetBoolean() && claims.GetProperty("token_type").ValueEquals("Bearer")
        && claims.TryGetProperty("sid", out var session) && session.ValueKind == JsonValueKind.String
        && claims.TryGetProperty("aud", out var audiences) && audiences.EnumerateArray().Any(one => one.ValueEquals("{audience}"));

    // A bearer token decides alone; else the session cookie, which is base64 of {"jwt":"..."}.
    string? Token()
    {
        var header = Request.Headers.Authorization.ToString();
        if (header.Length > 0) return header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header[7..].TrimStart(' ') : null;
        if (Request.Cookies["{session_cookie}"] is not { } cookie) return null;
        try { return JsonDocument.Parse(Convert.FromBase64String(cookie)).RootElement.GetProperty("jwt").GetString(); }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException or KeyNotFoundException) { return null; }
    }
}
