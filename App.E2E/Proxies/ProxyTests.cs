using System.Net;
using System.Net.Http.Json;
using App.E2E.Harness;

namespace App.E2E.Proxies;

/// <summary>
/// The configurations that we show, run by the real proxies in front of a service that believes whatever reaches it.
/// What attackers try is in <see cref="ProxyAttackTests"/>.
/// </summary>
[Collection(OnTheStreet.Name)]
public sealed class ProxyTests(Street street)
{
    // Longer than anything that a signature may spell by chance.
    private const string Kept = "kept-from-services";

    public static TheoryData<string> Asking => [.. Street.Asking];

    public static TheoryData<string> Checking => [.. Street.Checking];

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
        foreach (var header in new[] { ("Authorization", "Bearer " + credentials.AccessToken), ("Cookie", $"mine=1; {credentials.CookieHeader}; device=known; theme=dark") })
        {
            using var answer = await front.SendAsync("POST", "/orders?x=%2F&y=1", "some words", header);
            var arrived = await ArrivedAsync(answer);
            Assert.Equal(("POST /orders?x=%2F&y=1 HTTP/1.1", "some words"), (arrived.Line, arrived.Body));
            Assert.Equal((claims["sub"]!.GetValue<string>(), person.Email, claims["sid"]!.GetValue<string>()), (arrived.Of("X-Auth-User"), arrived.Of("X-Auth-Email"), arrived.Of("X-Auth-Session")));
            Assert.Equal(Street.Service, Credentials.Claims(arrived.Of("Authorization")!["Bearer ".Length..])["aud"]![0]!.GetValue<string>());
            Assert.DoesNotContain(arrived.Headers, h => h[1].Contains("session", StringComparison.Ordinal) || h[1].Contains("known", StringComparison.Ordinal) || h[1].Contains(credentials.Refresh, StringComparison.Ordinal));
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
        using (var answer = await front.SendAsync("POST", "/orders?x=1", "some words", ("Authorization", "Bearer " + token), ("Cookie", $"mine=1; session_refresh={credentials.Refresh}; device=known")))
        {
            var arrived = await ArrivedAsync(answer);
            Assert.Equal(("some words", Credentials.Claims(token)["sub"]!.GetValue<string>(), Credentials.Claims(token)["sid"]!.GetValue<string>()), (arrived.Body, arrived.Of("X-Auth-User"), arrived.Of("X-Auth-Session")));
            Assert.DoesNotContain(arrived.Headers, h => h[1].Contains(credentials.Refresh, StringComparison.Ordinal) || h[1].Contains("known", StringComparison.Ordinal));
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

    [Theory]
    [MemberData(nameof(Checking))]
    public async Task What_we_sign_for_services_is_no_persons_token(string id)
    {
        var (set, own, credentials) = (await street.EventAsync(), await street.OwnTokenAsync(), await street.Gatehouse.Client.SignUpAsync(Person.New()));
        Assert.Equal(Street.EverybodysAudience, Credentials.Claims(own)["aud"]![0]!.GetValue<string>());
        Assert.Equal(Street.Service, Credentials.Claims(set)["aud"]!.GetValue<string>());
        using (var person = await street.Other(id).SendAsync("GET", headers: [("Authorization", "Bearer " + credentials.AccessToken), ("Cookie", $"mine=1; {Street.OtherRefresh}={Kept}; {Street.OtherDevice}=known")]))
        {
            var arrived = await ArrivedAsync(person);
            Assert.Equal(Credentials.Claims(credentials.AccessToken)["sub"]!.GetValue<string>(), arrived.Of("X-Auth-User"));
            Assert.DoesNotContain(arrived.Headers, h => h[1].Contains(Kept, StringComparison.Ordinal) || h[1].Contains("known", StringComparison.Ordinal));
        }

        var before = street.Echo.Requests;
        foreach (var (front, token) in new[] { (street.Of(id), set), (street.Of(id), own), (street.Other(id), own), (street.Other(id), set) })
        {
            using var answer = await front.SendAsync("GET", headers: [("Authorization", "Bearer " + token)]);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }

        Assert.Equal(before, street.Echo.Requests);
    }

    [Theory]
    [InlineData("nginx", "plain"), InlineData("nginx", "long"), InlineData("caddy", "plain"), InlineData("caddy", "long"), InlineData("haproxy", "plain"), InlineData("haproxy", "long")]
    public async Task An_expired_token_is_renewed_in_the_same_request_and_the_cookies_reach_the_client(string id, string purpose)
    {
        var (front, old) = (street.Of(id), street.Expired[(id, purpose)]);
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
    [MemberData(nameof(Asking))]
    public async Task A_role_is_demanded_and_a_refusal_renews_cookies_as_well(string id)
    {
        var (front, old, before) = (street.Other(id), street.Expired[(id, "refused")], street.Echo.Requests);
        using (var refused = await front.SendAsync("GET", headers: [("Cookie", Street.Renamed(old)), ("Sec-Fetch-Site", "same-origin")]))
        {
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
            AssertRenewed(refused);
        }

        Assert.Equal(before, street.Echo.Requests);
        var admin = await street.SignInAsAdminAsync();
        using var passed = await front.SendAsync("GET", headers: [("Cookie", $"mine=1; {Street.Renamed(admin)}; {Street.OtherDevice}=known; session=own")]);
        var arrived = await ArrivedAsync(passed);
        Assert.Equal("admin", arrived.Of("X-Auth-Roles"));
        Assert.Equal(["mine=1", "session=own"], arrived.Of("Cookie")!.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [MemberData(nameof(Asking))]
    public async Task Renewed_cookies_reach_the_client_although_the_service_is_away(string id)
    {
        street.ToEcho.Become(Fault.Away);
        using var answer = await street.Other(id).SendAsync("GET", headers: [("Cookie", Street.Renamed(street.Expired[(id, "admin")])), ("Sec-Fetch-Site", "same-origin")]);
        street.ToEcho.Become(Fault.None);
        Assert.True(answer.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable, $"{answer.StatusCode}");
        AssertRenewed(answer);
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

    [Fact] // 176
    public async Task Who_checks_by_our_keys_and_never_got_them_lets_nobody_pass()
    {
        var (token, before) = (await street.TokenForAsync("apache-jwks"), street.Echo.Requests);
        street.Line.Become(Fault.Away);
        await using var front = await street.Of("apache-jwks").StartAnotherAsync();
        using (var answer = await front.SendAsync("GET", headers: [("Authorization", "Bearer " + token)]))
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal(before, street.Echo.Requests);

        street.Line.Become(Fault.None);
        using var good = await front.SendAsync("GET", headers: [("Authorization", "Bearer " + token)]);
        Assert.Equal(HttpStatusCode.OK, good.StatusCode);
    }

    // Where a script could read them, they aren't.
    private static void AssertRenewed(HttpResponseMessage answer)
    {
        var cookies = answer.Headers.GetValues("Set-Cookie").Order(StringComparer.Ordinal).ToList();
        Assert.Equal(2, cookies.Count);
        Assert.StartsWith(Street.OtherRefresh + "=", cookies[0], StringComparison.Ordinal);
        Assert.StartsWith(Street.OtherSession + "=", cookies[1], StringComparison.Ordinal);
        Assert.All(cookies, cookie => Assert.EndsWith("httponly", cookie, StringComparison.Ordinal));
        Assert.DoesNotContain(answer.Headers, h => h.Key.StartsWith("X-Renewed", StringComparison.OrdinalIgnoreCase));
    }

    private static async Task<Arrived> ArrivedAsync(HttpResponseMessage answer)
    {
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<Arrived>())!;
    }
}
