using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

/// <summary>Asks Gatehouse about the token of each request (RFC 7662), so nothing here can be out of date.</summary>
sealed class Introspection(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, IHttpClientFactory clients)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    static readonly string Credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes(
        "{client_id}:" + Uri.EscapeDataString(Environment.GetEnvironmentVariable("GATEHOUSE_CLIENT_SECRET")!)));

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Token() is not { } token) return AuthenticateResult.NoResult();
        using var question = new HttpRequestMessage(HttpMethod.Post, "{issuer}/connect/introspect")
        {
            Headers = { Authorization = new AuthenticationHeaderValue("Basic", Credentials) },
            Content = new FormUrlEncodedContent([new("token", token)]),
        };
        using var answer = await clients.CreateClient().SendAsync(question, Context.RequestAborted);
        var claims = await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Context.RequestAborted);
        if (!claims.GetProperty("active").GetBoolean()) return AuthenticateResult.Fail("The token is not good.");

        var all = claims.EnumerateObject().SelectMany(claim => claim.Value.ValueKind == JsonValueKind.Array
            ? claim.Value.EnumerateArray().Select(one => new Claim(claim.Name, one.ToString()))
            : [new Claim(claim.Name, claim.Value.ToString())]);
        var user = new ClaimsPrincipal(new ClaimsIdentity(all, Scheme.Name, "name", "roles"));
        return AuthenticateResult.Success(new AuthenticationTicket(user, Scheme.Name));
    }

    // A bearer token decides alone; else the session cookie, which is base64 of {"jwt":"..."}.
    string? Token()
    {
        var header = Request.Headers.Authorization.ToString();
        if (header.Length > 0) return header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header[7..] : null;
        if (Request.Cookies["{session_cookie}"] is not { } cookie) return null;
        try { return JsonDocument.Parse(Convert.FromBase64String(cookie)).RootElement.GetProperty("jwt").GetString(); }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException or KeyNotFoundException) { return null; }
    }
}
