using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.E2E.Harness;

namespace App.E2E.Proxies;

/// <summary>
/// The configurations that we show, run by the real proxies in front of a service that believes whatever reaches it.
/// ATTACKS FWD-01 to FWD-15 (162-176) as far as they concern a proxy.
/// </summary>
[Collection("Proxies")]
public sealed class ProxyTests(Street street) : IClassFixture<Street>
{
    public static TheoryData<string> Asking => [.. Street.Asking];

    public static TheoryData<string> Checking => [.. Street.Checking];

    public static TheoryData<string> All => [.. Street.Asking, .. Street.Checking];

    [Theory] // 162, 164, 166, 167, 168, 169, 171: neither a header, nor a path, nor a method makes a stranger pass
    [MemberData(nameof(All))]
    public async Task A_stranger_never_reaches_the_service(string id)
    {
        var (front, before) = (street.Of(id), street.Echo.Requests);
        using (var plain = await front.SendAsync("GET"))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, plain.StatusCode);
            Assert.StartsWith("Bearer", plain.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }

        foreach (var method in new[] { "HEAD", "OPTIONS", "POST", "PUT", "DELETE" })
        {
            using var answer = await front.SendAsync(method, headers: [("X-Auth-User", "evil"), ("X-HTTP-Method-Override", "GET"), ("X-Forwarded-Uri", "/public"), ("X-Original-URL", "http://[::1"), ("Authorization", "Bearer x")]);
            Assert.True(answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.BadRequest, $"{method}: {answer.StatusCode}");
        }

        foreach (var path in new[] { "/public/../orders", "/%2e%2e/orders", "/public/..%2forders", "//orders", "/./orders", "/%61dmin", "/admin%5cusers", "/public/..;/orders", "/orders?x=/public/", "/orders;/public", "/gatehouse", "/auth/verify" })
            Assert.Matches("^HTTP/1.1 (40[0134]|302) ", await front.SendRawAsync($"GET {path} HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "Connection: close"));
        Assert.Equal(before, street.Echo.Requests);
    }

    [Theory]
    [MemberData(nameof(Asking))]
    public async Task A_browser_is_led_to_sign_in_and_back(string id)
    {
        var (front, person) = (street.Of(id), Person.New());
        await street.Gatehouse.Client.SignUpAsync(person);
        using var away = await front.SendAsync("GET", "/orders?x=1&y=a%20b", headers: [("Accept", "text/html,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate")]);
        Assert.Equal(HttpStatusCode.Redirect, away.StatusCode);
        var wanted = front.Origin + "/orders?x=1&y=a%20b";
        Assert.Equal($"{street.Issuer}/account/sign-in?returnUrl={Uri.EscapeDataString(wanted)}", away.Headers.Location!.OriginalString);

        using var form = new FormUrlEncodedContent([new("_handler", "sign-in"), new("email", person.Email), new("password", person.Password)]);
        using var signedIn = await street.Gatehouse.Client.PostAsync(away.Headers.Location.PathAndQuery, form);
        Assert.Equal((HttpStatusCode.SeeOther, wanted), (signedIn.StatusCode, signedIn.Headers.Location!.OriginalString));
        using var back = await front.SendAsync("GET", headers: [("Cookie", Credentials.From(signedIn).CookieHeader), ("Accept", "text/html")]);
        Assert.Equal(person.Email, (await ArrivedAsync(back)).Of("X-Auth-Email"));
    }

    [Theory]
    [MemberData(nameof(Asking))]
    public async Task Cookie_and_bearer_bring_the_identity_and_a_token_for_this_service_alone(string id)
    {
        var (front, person) = (street.Of(id), Person.New());
        var credentials = await street.Gatehouse.Client.SignUpAsync(person);
        var claims = Credentials.Claims(credentials.AccessToken);
        foreach (var header in new[] { ("Authorization", "Bearer " + credentials.AccessToken), ("Cookie", $"mine=1; {credentials.CookieHeader}; theme=dark") })
        {
            using var answer = await front.SendAsync("POST", "/orders?x=%2F&y=1", "some words", header);
            var arrived = await ArrivedAsync(answer);
            Assert.Equal(("POST /orders?x=%2F&y=1 HTTP/1.1", "some words"), (arrived.Line, arrived.Body));
            Assert.Equal((claims["sub"]!.GetValue<string>(), person.Email, claims["sid"]!.GetValue<string>()), (arrived.Of("X-Auth-User"), arrived.Of("X-Auth-Email"), arrived.Of("X-Auth-Session")));
            Assert.Equal(Street.Service, Credentials.Claims(arrived.Of("Authorization")!["Bearer ".Length..])["aud"]![0]!.GetValue<string>());
            Assert.DoesNotContain(arrived.Headers, h => h[1].Contains("session", StringComparison.Ordinal) || h[1].Contains(credentials.Refresh, StringComparison.Ordinal));
            if (header.Item1 == "Cookie") Assert.Equal(["mine=1", "theme=dark"], arrived.Of("Cookie")!.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
            Assert.Equal(["own=1"], answer.Headers.GetValues("Set-Cookie"));
        }
    }

    [Theory]
    [MemberData(nameof(Checking))]
    public async Task Only_a_token_of_ours_for_this_service_in_its_time_is_taken(string id)
    {
        var front = street.Of(id);
        var credentials = await street.Gatehouse.Client.SignUpAsync(Person.New());
        var token = await street.BindAsync(credentials);
        using (var answer = await front.SendAsync("POST", "/orders?x=1", "some words", ("Authorization", "Bearer " + token), ("Cookie", $"mine=1; session_refresh={credentials.Refresh}")))
        {
            var arrived = await ArrivedAsync(answer);
            Assert.Equal(("some words", Credentials.Claims(token)["sub"]!.GetValue<string>(), Credentials.Claims(token)["sid"]!.GetValue<string>()), (arrived.Body, arrived.Of("X-Auth-User"), arrived.Of("X-Auth-Session")));
            Assert.DoesNotContain(arrived.Headers, h => h[1].Contains(credentials.Refresh, StringComparison.Ordinal));
        }

        var before = street.Echo.Requests;
        var dot = token.IndexOf('.', StringComparison.Ordinal);
        foreach (var bad in new[] { credentials.AccessToken, street.ExpiredToken, token[..^4] + "AAAA", "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0" + token[dot..], "x" })
        {
            // Gatehouse itself allows clocks to differ by 30 seconds.
            if (bad == street.ExpiredToken && id == "apache-introspection") continue;
            using var answer = await front.SendAsync("GET", headers: [("Authorization", "Bearer " + bad)]);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }

        Assert.Equal(before, street.Echo.Requests);
    }

    [Theory] // 162, 163: each spelling by itself, repeated, and named in Connection
    [MemberData(nameof(All))]
    public async Task What_the_client_says_of_itself_never_arrives(string id)
    {
        var front = street.Of(id);
        var credentials = await street.Gatehouse.Client.SignUpAsync(Person.New());
        var token = Street.Asking.Contains(id) ? credentials.AccessToken : await street.BindAsync(credentials);
        var user = Credentials.Claims(token)["sub"]!.GetValue<string>();
        foreach (var lines in new string[][]
        {
            ["X-Auth-User: evil"], ["x-auth-user: evil", "X-AUTH-USER: evil2"], ["X_Auth_User: evil"], ["X-Auth_User: evil"], ["X_Auth-User: evil"], ["X.Auth.User: evil"],
            ["X-Auth-Roles: evil"], ["X_Auth_Roles: evil"], ["X-Auth-Email: evil@x.test"], ["X-Auth-Session: evil"], ["Remote-User: evil"], ["X-Forwarded-User: evil"],
            ["X-User: evil"], ["X-Roles: evil"], ["Connection: X-Auth-User"], ["Connection: close, x-auth-user, Authorization"], ["X-Auth-User : evil"],
        })
        {
            var answer = await front.SendRawAsync(["GET /orders HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "Authorization: Bearer " + token, .. lines, "Connection: close"]);
            if (answer.StartsWith("HTTP/1.1 400 ", StringComparison.Ordinal)) continue;
            Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
            var arrived = JsonSerializer.Deserialize<Arrived>(answer[answer.IndexOf('{', StringComparison.Ordinal)..(answer.LastIndexOf('}') + 1)])!;
            Assert.Equal(user, arrived.Of("X-Auth-User"));
            Assert.DoesNotContain(arrived.Headers, h => h[1].Contains("evil", StringComparison.Ordinal));
            Assert.DoesNotContain(arrived.Headers, h => h[0].Equals("Connection", StringComparison.OrdinalIgnoreCase) && h[1].Contains("auth", StringComparison.OrdinalIgnoreCase));
        }
    }

    [Theory]
    [MemberData(nameof(Asking))]
    public async Task An_expired_token_is_renewed_in_the_same_request_and_the_cookies_reach_the_client(string id)
    {
        var (front, old) = (street.Of(id), street.Expired[id]);
        using var answer = await front.SendAsync("POST", "/orders", "some words", ("Cookie", old.CookieHeader), ("Sec-Fetch-Site", "same-origin"));
        var arrived = await ArrivedAsync(answer);
        Assert.Equal("some words", arrived.Body);
        var cookies = answer.Headers.GetValues("Set-Cookie").ToList();
        Assert.Contains("own=1", cookies);
        Assert.Contains(cookies, c => c.StartsWith("session=", StringComparison.Ordinal) && c.Contains("httponly", StringComparison.OrdinalIgnoreCase));
        Assert.Contains(cookies, c => c.StartsWith("session_refresh=", StringComparison.Ordinal) && c.Contains("expires=", StringComparison.OrdinalIgnoreCase));
        var renewed = Credentials.From(answer);
        Assert.NotEqual(old.Refresh, renewed.Refresh);
        Assert.DoesNotContain(arrived.Headers, h => h[1].Contains(renewed.Refresh, StringComparison.Ordinal) || h[1].Contains(old.Refresh, StringComparison.Ordinal));

        using var next = await front.SendAsync("GET", headers: [("Cookie", renewed.CookieHeader)]);
        Assert.Equal(["own=1"], next.Headers.GetValues("Set-Cookie"));
        Assert.Equal(Credentials.Claims(old.AccessToken)["sub"]!.GetValue<string>(), (await ArrivedAsync(next)).Of("X-Auth-User"));
    }

    [Theory]
    [InlineData("nginx"), InlineData("caddy"), InlineData("haproxy"), InlineData("apache-introspection")]
    public async Task After_sign_out_the_next_request_is_refused(string id)
    {
        var front = street.Of(id);
        var credentials = await street.Gatehouse.Client.SignUpAsync(Person.New());
        var header = Street.Asking.Contains(id) ? ("Cookie", credentials.CookieHeader) : ("Authorization", "Bearer " + await street.BindAsync(credentials));
        for (var i = 0; i < 2; i++)
        {
            using var good = await front.SendAsync("GET", headers: [header]);
            Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        }

        using var signedOut = await street.Gatehouse.Client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader);
        Assert.Equal(HttpStatusCode.OK, signedOut.StatusCode);
        using var refused = await front.SendAsync("GET", headers: [header]);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
    }

    [Fact] // 176
    public async Task While_Gatehouse_is_away_slow_or_broken_nothing_passes()
    {
        string[] asking = [.. Street.Asking, "apache-introspection"];
        var credentials = await street.Gatehouse.Client.SignUpAsync(Person.New());
        var token = await street.BindAsync(credentials);
        var before = street.Echo.Requests;
        foreach (var fault in Enum.GetValues<Fault>().Where(f => f != Fault.None))
        {
            street.Line.Become(fault);
            var answers = await Task.WhenAll(asking.Select(async id =>
            {
                using var answer = await street.Of(id).SendAsync("GET", headers: [("Authorization", "Bearer " + (Street.Asking.Contains(id) ? credentials.AccessToken : token)), ("Accept", "text/html")]);
                return $"{id} {(int)answer.StatusCode}";
            }));
            Assert.All(answers, answer => Assert.Matches(fault == Fault.Away ? " (503|401)$" : " (50[0-4]|401)$", answer));
        }

        Assert.Equal(before, street.Echo.Requests);
        street.Line.Become(Fault.None);
        foreach (var id in Street.Asking)
        {
            using var answer = await street.Of(id).SendAsync("GET", headers: [("Authorization", "Bearer " + credentials.AccessToken)]);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    [Theory] // 174
    [MemberData(nameof(Asking))]
    public async Task One_request_is_never_two(string id)
    {
        var front = street.Of(id);
        var credentials = await street.Gatehouse.Client.SignUpAsync(Person.New());
        foreach (var coding in new[] { "chunked", "xchunked", " chunked", "chunked, identity", "identity, chunked" })
        {
            var before = street.Echo.Requests;
            var answers = await front.SendRawAsync(
                "POST /orders HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "Authorization: Bearer " + credentials.AccessToken, "Connection: close", "Content-Length: 6", "Transfer-Encoding:" + coding, "",
                "0", "", "GET /smuggled HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "X-Auth-User: evil");
            Assert.InRange(street.Echo.Requests - before, 0, 1);
            Assert.DoesNotContain("smuggled", answers, StringComparison.Ordinal);
        }
    }

    private static async Task<Arrived> ArrivedAsync(HttpResponseMessage answer)
    {
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<Arrived>())!;
    }
}
