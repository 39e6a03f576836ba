using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace App.E2E.Harness;

/// <summary>Somebody with an address and a password that no other test uses.</summary>
internal sealed record Person(string Email, string Password)
{
    public static Person New(string name = "ada")
    {
        var unique = Guid.NewGuid().ToString("N");
        var person = new Person($"{name}-{unique[..12]}@example.test", $"velvet harbour {unique[12..]}");
        TestRun.Secrets[person.Password] = "a password";
        return person;
    }
}

/// <summary>What a client holds after signing in over JSON: the cookies as they came, and the token inside.</summary>
internal sealed record Credentials(string Session, string Refresh)
{
    public string AccessToken => Json(Session)["jwt"]!.GetValue<string>();
    public string CookieHeader => $"session={Session}; session_refresh={Refresh}";

    public static Credentials From(HttpResponseMessage answer)
    {
        var cookies = answer.Headers.GetValues("Set-Cookie").Select(line => line.Split(';')[0].Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        TestRun.Secrets[cookies["session_refresh"]] = "a refresh token";
        return new(cookies["session"], cookies["session_refresh"]);
    }

    /// <summary>The claims of a token, unverified.</summary>
    public static JsonNode Claims(string token) => Part(token, 1);

    /// <summary>Which key signed it.</summary>
    public static string KeyIdOf(string token) => Part(token, 0)["kid"]!.GetValue<string>();

    private static JsonNode Part(string token, int number)
    {
        var part = token.Split('.')[number].Replace('-', '+').Replace('_', '/');
        return Json(part.PadRight((part.Length + 3) / 4 * 4, '='));
    }

    private static JsonNode Json(string base64) => JsonNode.Parse(Convert.FromBase64String(base64))!;
}

/// <summary>The answer of the token endpoints.</summary>
internal sealed record Grant(string AccessToken, string RefreshToken, string SessionId);

/// <summary>The JSON door, as a client of the contract uses it.</summary>
internal static class Api
{
    private static readonly JsonSerializerOptions Snake = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static Task<HttpResponseMessage> PostSignUpAsync(this HttpClient client, Person person) =>
        client.PostAsJsonAsync("/api/users/signup", new { email = person.Email, password = person.Password });

    public static async Task<Credentials> SignUpAsync(this HttpClient client, Person person)
    {
        using var answer = await client.PostSignUpAsync(person);
        if (answer.StatusCode != HttpStatusCode.Created) Assert.Fail($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return Credentials.From(answer);
    }

    public static Task<HttpResponseMessage> PostSignInAsync(this HttpClient client, Person person) =>
        client.PostAsJsonAsync("/api/users/signin", new { email = person.Email, password = person.Password });

    public static async Task<Grant> GetTokensAsync(this HttpClient client, Person person)
    {
        using var answer = await client.PostAsJsonAsync("/api/tokens", new { email = person.Email, password = person.Password });
        return await GrantAsync(answer);
    }

    public static Task<HttpResponseMessage> PostRefreshAsync(this HttpClient client, string refreshToken) =>
        client.PostAsJsonAsync("/api/tokens/refresh", new Dictionary<string, string> { ["refresh_token"] = refreshToken });

    /// <summary>The token that a service gets for itself.</summary>
    public static async Task<string> GetOwnTokenAsync(this HttpClient client, string id, string secret)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token")
        {
            Headers = { Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{id}:{secret}"))) },
            Content = new FormUrlEncodedContent([new("grant_type", "client_credentials")]),
        };
        using var answer = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<JsonNode>())!["access_token"]!.GetValue<string>();
    }

    public static async Task<Grant> GrantAsync(HttpResponseMessage answer)
    {
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var grant = (await answer.Content.ReadFromJsonAsync<Grant>(Snake))!;
        TestRun.Secrets[grant.RefreshToken] = "a refresh token";
        return grant;
    }

    /// <summary>The e-mail that <c>currentuser</c> answers, or null for a stranger.</summary>
    public static async Task<string?> WhoAmIAsync(this HttpClient client, string? bearer = null, string? cookie = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/users/currentuser");
        if (bearer is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        if (cookie is not null) request.Headers.Add("Cookie", cookie);
        using var answer = await client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<JsonNode>())?["currentUser"]?["email"]?.GetValue<string>();
    }

    /// <summary>Somebody whose sign-up nobody answered, or refused for a while, has an account or none, never half of one.</summary>
    public static async Task IsWholeOrAbsentAsync(this HttpClient client, Person person)
    {
        using var again = await client.PostSignUpAsync(person);
        if (again.StatusCode == HttpStatusCode.Created) return;
        Assert.Contains("Email in use", await again.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var signedIn = await client.PostSignInAsync(person);
        Assert.Equal(HttpStatusCode.OK, signedIn.StatusCode);
        Assert.Equal(person.Email, await client.WhoAmIAsync(cookie: Credentials.From(signedIn).CookieHeader));
    }

    public static async Task<HttpResponseMessage> SendAsync(this HttpClient client, HttpMethod method, string path, string? bearer = null, string? cookie = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (bearer is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        if (cookie is not null) request.Headers.Add("Cookie", cookie);
        return await client.SendAsync(request);
    }
}
