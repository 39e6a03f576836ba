using App.Gateway;
using App.Sessions;

namespace App.Tests.Gateway;

/// <summary>What the gateway's rules rest on, case by case (ATTACKS 162, 163, 167-169).</summary>
public sealed class SafePathTests
{
    [Theory]
    [InlineData("/")]
    [InlineData("/orders")]
    [InlineData("/orders/7?x=/public/")]
    [InlineData("/orders/?next=//evil.test/..%2f")]
    [InlineData("/orders/%61dmin")]
    [InlineData("/orders/caf%C3%A9")]
    [InlineData("/orders/a.b..c/...")]
    [InlineData("/orders/a%2eb")]
    [InlineData("/orders/a@b:c,d(e)")]
    public void Paths_that_everybody_reads_alike_pass(string target) => Assert.True(SafePath.Is(target));

    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("orders")]
    [InlineData("http://evil.test/orders")]
    [InlineData("//evil.test/orders")]
    [InlineData("/public//admin")]
    [InlineData("/public/../admin")]
    [InlineData("/public/./admin")]
    [InlineData("/public/%2e%2e/admin")]
    [InlineData("/public/.%2E/admin")]
    [InlineData("/public/%2e/admin")]
    [InlineData("/public/..")]
    [InlineData("/public/..%2fadmin")]
    [InlineData("/public/%252e%252e/admin")]
    [InlineData("/public/..;/admin")]
    [InlineData("/admin;x=1/users")]
    [InlineData("/admin%3bx")]
    [InlineData("/admin%2Fusers")]
    [InlineData("/admin%5cusers")]
    [InlineData("/admin\\users")]
    [InlineData("/admin%00")]
    [InlineData("/admin%0d%0aX-Auth-User:%201")]
    [InlineData("/admin%7f")]
    [InlineData("/admin%3fpublic")]
    [InlineData("/admin%23public")]
    [InlineData("/admin%")]
    [InlineData("/admin%2")]
    [InlineData("/admin%zz")]
    [InlineData("/adm\u00efn")]
    [InlineData("/a b")]
    [InlineData("/a\tb")]
    public void Paths_that_two_readers_could_read_differently_do_not(string target) => Assert.False(SafePath.Is(target));

    [Theory]
    [InlineData("X-Auth-User")]
    [InlineData("x_auth_user")]
    [InlineData("X.Auth.Roles")]
    [InlineData("X-Auth_Email")]
    [InlineData("X-User")]
    [InlineData("X_User")]
    [InlineData("X-Roles")]
    [InlineData("Remote-User")]
    [InlineData("REMOTE_USER")]
    [InlineData("X-Remote-User")]
    [InlineData("X-Forwarded-User")]
    [InlineData("X-Forwarded-Email")]
    [InlineData("X-Forwarded-Preferred-Username")]
    [InlineData("X-Auth-Request-User")]
    [InlineData("X-WEBAUTH-USER")]
    [InlineData("X-Original-URL")]
    [InlineData("X-Rewrite-Url")]
    [InlineData("Forwarded")]
    [InlineData("X-HTTP-Method-Override")]
    public void Whatever_a_service_could_take_for_the_callers_identity_is_taken_off(string name) => Assert.True(StrippedHeaders.IsIdentity(name));

    [Theory]
    [InlineData("Accept")]
    [InlineData("Authorization-Server")]
    [InlineData("X-Request-Id")]
    [InlineData("X-Forwarded-For")]
    [InlineData("traceparent")]
    public void Other_headers_stay(string name) => Assert.False(StrippedHeaders.IsIdentity(name));

    [Theory]
    [InlineData("session=a; session_refresh=b", null)]
    [InlineData("theme=dark; session=a; lang=de; session_refresh=b", "theme=dark; lang=de")]
    [InlineData("Session=a; SESSION_REFRESH=b; Device=c; x=1", "x=1")]
    [InlineData("device=c; devices=1", "devices=1")]
    [InlineData("x=1,session_refresh=b; y=2", "y=2")]
    [InlineData(" session =a;session_refresh;x=1", "x=1")]
    [InlineData("sessions=1; my_session=2", "sessions=1; my_session=2")]
    public void Our_two_cookies_stay_here_and_all_others_go_on(string sent, string? passed) => Assert.Equal(passed, StrippedHeaders.Cookies(sent, new CookieNames()));
}
