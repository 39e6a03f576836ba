using System.Text;
using App.Ops;
using App.Sessions;
using App.Shared;
using Microsoft.AspNetCore.Http;

namespace App.Tests.Sessions;

public sealed class SessionCookiesTests
{
    private static readonly SessionCookies Cookies = new(new CookieNames());

    [Theory] // Browsers take no cookie for others (RFC 6265 section 5.3), and then nobody can sign in.
    [InlineData(null, "Cookies:Domain=example.com")]
    [InlineData(null, "Cookies:Domain=.example.com")]
    [InlineData(null, "Cookies:Domain=ID.example.com")]
    [InlineData(null, "Cookies:Session=__Host-session")]
    [InlineData("Cookies:Domain", "Cookies:Domain=example.org")]
    [InlineData("Cookies:Domain", "Cookies:Domain=ample.com")]
    [InlineData("Cookies:Domain", "Cookies:Domain=other.id.example.com")]
    [InlineData("Cookies:Domain", "Cookies:Domain=com")]
    [InlineData("Cookies:Domain", "Cookies:Domain=..")]
    [InlineData("Cookies:Domain", "Cookies:Domain=10.0.0.7")]
    [InlineData("Cookies:Session", "Cookies:Domain=example.com", "Cookies:Session=__Host-session")] // RFC 6265bis section 4.1.3.2
    [InlineData("Cookies:Refresh", "Cookies:Domain=example.com", "Cookies:Refresh=__host-r")]
    public void A_cookie_is_one_that_browsers_take_from_the_issuer(string? fault, params string[] settings)
    {
        var builder = Hosting.CreateBuilder(["--environment=Staging", "--Proxy:TerminatesTls=true", "--Issuer=https://id.example.com", .. settings.Select(s => "--" + s)]);
        builder.AddOps();
        builder.Services.AddSessions();
        var faults = SettingsCheck.Faults(builder.Build().Services);
        if (fault is null) Assert.Empty(faults);
        else Assert.StartsWith(fault + " is ", Assert.Single(faults), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", null, null)]
    [InlineData("other=1; sessions=x; xsession=y", null, null)]
    [InlineData("session=a", "a", null)]
    [InlineData("session_refresh=b", null, "b")]
    [InlineData("session=a; session_refresh=b", "a", "b")]
    [InlineData("session_refresh=b;session=a", "a", "b")]
    [InlineData("x=1; session=a==; y=2", "a==", null)]
    [InlineData("session=a; session=a", "a", null)]
    [InlineData("session=a; path=/; samesite=lax; httponly", "a", null)]
    [InlineData("session=a; path=/; samesite=lax; httponly,session_refresh=b; path=/; expires=Thu, 01 Jan 2026 00:00:00 GMT", "a", "b")]
    [InlineData("session_refresh=b; path=/; expires=Thu, 01 Jan 2026 00:00:00 GMT; httponly, session=a; path=/; samesite=lax; httponly", "a", "b")]
    // A browser keeps commas in a value (RFC 6265 section 4.2.1): what stands behind one there is another's, wherever ours stands by itself.
    [InlineData("prefs=a,session=1; session=a", "a", null)]
    [InlineData("prefs=a, session=1,session_refresh=2; session=a; session_refresh=b", "a", "b")]
    [InlineData("session=a; session_refresh=b; prefs=a,session_refresh=2", "a", "b")]
    [InlineData("session=a; prefs=a,session=1,session=2", "a", null)]
    [InlineData("session=a, session=b", "a", null)]
    [InlineData("session=", "", null)]
    [InlineData("session", null, null)]
    [InlineData("=a", null, null)]
    [InlineData("SESSION=a", null, null)]
    [InlineData("session =a", null, null)]
    [InlineData(" session=a ", "a", null)]
    [InlineData("session=\"a\"", "\"a\"", null)]
    [InlineData(";;,;=;session=a;;", "a", null)]
    // Two values under one name: somebody planted one, and which can't be known.
    [InlineData("session=a; session=b", "", "")]
    [InlineData("session=a; session_refresh=x; session_refresh=y", "", "")]
    [InlineData("prefs=a,session=1,session=2; session=a; session=b", "", "")]
    [InlineData("path=/, session=a; path=/, session=b", "", "")]
    public void The_header_is_read_as_it_stands(string header, string? session, string? refresh) =>
        Assert.Equal((session ?? "", refresh ?? "", session is not null || refresh is not null), Read(header));

    [Fact]
    public void It_is_read_as_the_verifiers_read_it()
    {
        var expected = CookieHeaders.Of(Convert.ToBase64String(Encoding.UTF8.GetBytes("""{"jwt":"a.b.c"}  """)));
        Assert.Equal(expected, expected.Keys.ToDictionary(header => header, header => SessionCookies.Unwrap(Read(header.Split('\n')).Session) == "a.b.c"));
    }

    [Fact]
    public void Several_headers_are_one()
    {
        Assert.Equal(("a", "b", true), Read("session=a", "session_refresh=b"));
        Assert.Equal(("", "", true), Read("session=a", "session=b"));
        Assert.Equal(("a", "b", true), Read("prefs=1,session=x", "session=a,session_refresh=b"));
    }

    [Theory]
    [InlineData("prefs=a,session_refresh=1; session_refresh=b", "b")]
    [InlineData("session_refresh=a; session_refresh=b", "a", "b")]
    [InlineData("session=x; path=/; httponly, session_refresh=b; path=/", "b")]
    [InlineData("session=x")]
    public void Every_refresh_token_that_stands_by_itself_is_shown(string header, params string[] tokens)
    {
        var request = new DefaultHttpContext().Request;
        request.Headers.Cookie = header;
        Assert.Equal(tokens, Cookies.RefreshTokens(request));
    }

    [Fact]
    public void The_value_is_what_cookie_session_writes() =>
        Assert.Equal("a.b.c", SessionCookies.Unwrap("eyJqd3QiOiJhLmIuYyJ9")); // Buffer.from('{"jwt":"a.b.c"}').toString('base64')

    [Theory]
    [InlineData("eyJqd3QiOiJhLmIifQ==", "a.b")]
    [InlineData("eyJqd3QiOiJhLmIifR==", null)]
    [InlineData("eyJqd3Qi OiJhLmIifQ==", null)]
    [InlineData("eyJqd3QiOiJhLmIifQ=\t=", null)]
    [InlineData("eyJqd3QiOiJhLmIifQ== ", null)]
    [InlineData("eyJqd3QiOiJhLmIifQ", null)]
    public void There_is_one_text_for_it(string value, string? token) => Assert.Equal(token, SessionCookies.Unwrap(value));

    [Theory]
    [InlineData("""{"jwt":"t"}""", "t")]
    [InlineData("""{ "jwt" : "t" }""", "t")]
    [InlineData("""{"views":1,"jwt":"t","user":{"a":[1]}}""", "t")]
    [InlineData("""{"\u006awt":"t"}""", "t")]
    [InlineData("""{"jwt":"t","jwt":"u"}""", null)]
    [InlineData("""{"JWT":"t"}""", null)]
    [InlineData("""{"jwt":null}""", null)]
    [InlineData("""{"jwt":""}""", null)]
    [InlineData("""{"jwt":["t"]}""", null)]
    [InlineData("""{"jwt":{"toString":"t"}}""", null)]
    [InlineData("""{"jwt":"t"}x""", null)]
    [InlineData("""[{"jwt":"t"}]""", null)]
    [InlineData("\"t\"", null)]
    [InlineData("{}", null)]
    [InlineData("", null)]
    public void The_token_is_taken_from_one_plain_object(string json, string? token) =>
        Assert.Equal(token, SessionCookies.Unwrap(Convert.ToBase64String(Encoding.UTF8.GetBytes(json))));

    [Theory]
    [InlineData("")]
    [InlineData("%%%")]
    [InlineData("eyJqd3QiOiJ0In0")] // without its padding
    [InlineData("eyJqd3QiOiJ0In0%3D")] // percent-encoded
    [InlineData("\"eyJqd3QiOiJ0In0=\"")]
    [InlineData("eyJqd3QiOiJ0In0=AAAA")]
    [InlineData("////")]
    public void What_is_not_base64_holds_nothing(string value) => Assert.Null(SessionCookies.Unwrap(value));

    [Fact]
    public void A_value_too_long_for_any_token_is_not_looked_at() => Assert.Null(SessionCookies.Unwrap(new string('A', 1 << 20)));

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "; secure")]
    public void Sign_out_sends_the_very_bytes_of_the_course(bool https, string secure)
    {
        var http = Http(https);
        Cookies.Clear(http);
        Assert.Equal(
            [$"session=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT{secure}; httponly", $"session_refresh=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT{secure}; httponly"],
            http.Response.Headers.SetCookie.Select(line => line!));
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "; secure")]
    public void A_grant_is_written_as_both_cookies_the_session_first(bool https, string secure)
    {
        var http = Http(https);
        Cookies.Write(http, Granted("a.b.c", "r1"));
        Assert.Equal(
            [$"session=eyJqd3QiOiJhLmIuYyJ9; path=/; samesite=lax{secure}; httponly", $"session_refresh=r1; path=/; expires=Sat, 31 Jan 2026 00:00:00 GMT; samesite=lax{secure}; httponly"],
            http.Response.Headers.SetCookie.Select(line => line!));
    }

    [Fact]
    public void The_last_word_replaces_ours_and_leaves_others_alone()
    {
        var http = Http(https: true);
        http.Response.Headers.SetCookie = "theme=dark; path=/";
        Cookies.Write(http, Granted("a.b.c", "r1"));
        Cookies.Write(http, Granted("d.e.f", "r2"));
        Cookies.Clear(http);

        var lines = http.Response.Headers.SetCookie.ToArray();
        Assert.Equal(3, lines.Length);
        Assert.StartsWith("session=;", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("session_refresh=;", lines[1], StringComparison.Ordinal);
        Assert.Equal("theme=dark; path=/", lines[2]);
    }

    [Fact]
    public void Names_and_domain_are_settings()
    {
        var cookies = new SessionCookies(new CookieNames { Session = "sid", Refresh = "rid", Domain = "example.test" });
        var http = Http(https: true);
        cookies.Write(http, Granted("a.b.c", "r1"));
        Assert.Equal(2, http.Response.Headers.SetCookie.Count);
        Assert.All(http.Response.Headers.SetCookie, line => Assert.Contains("; domain=example.test; samesite=lax; secure; httponly", line, StringComparison.Ordinal));

        Assert.Equal(("a", "b", true), Read(cookies, "session=x; sid=a; rid=b"));
    }

    [Fact]
    public void Cookies_from_before_the_domain_was_set_go_where_a_browser_shows_any()
    {
        var cookies = new SessionCookies(new CookieNames { Session = "sid", Refresh = "rid", Domain = "example.test" });
        var http = Http(https: true);
        http.Request.Headers.Cookie = "theme=dark; sid=old";
        cookies.Write(http, Granted("a.b.c", "r1"));
        // The good ones first, where programs and proxies look for them.
        Assert.Equal(["sid", "rid", "sid"], http.Response.Headers.SetCookie.Select(line => line!.Split('=')[0]));
        Assert.All(http.Response.Headers.SetCookie.Take(2), line => Assert.Contains("; domain=example.test", line, StringComparison.Ordinal));
        Assert.Equal("sid=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly", http.Response.Headers.SetCookie[2]);
    }

    private static (string Session, string Refresh, bool Any) Read(params string[] headers) => Read(Cookies, headers);

    private static (string Session, string Refresh, bool Any) Read(SessionCookies cookies, params string[] headers)
    {
        var request = new DefaultHttpContext().Request;
        request.Headers.Cookie = headers;
        var read = cookies.Read(request);
        return (read.Session.ToString(), read.Refresh.ToString(), read.Any);
    }

    private static DefaultHttpContext Http(bool https) => new() { Request = { IsHttps = https } };

    private static Grant Granted(string accessToken, string refreshToken)
    {
        var user = new CurrentUser
        {
            Id = Guid.NewGuid(),
            SessionId = Guid.NewGuid(),
            TokenId = "t",
            Email = "a@example.test",
            IssuedAt = 0,
            ExpiresAt = 0,
            AuthTime = 0,
            KeyId = "k",
        };
        return new Grant(user, accessToken, refreshToken, TimeSpan.FromMinutes(5), new DateTimeOffset(2026, 1, 31, 0, 0, 0, TimeSpan.Zero));
    }
}
