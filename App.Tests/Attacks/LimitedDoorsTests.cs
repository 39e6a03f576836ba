using App.Ops;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Attacks;

/// <summary>
/// Which doors count what one address sends (ATTACKS 91, 93, 99, 102). Every door that takes a POST or its like stands in one of the two lists: who builds a new one says
/// in which, and why. How the limiter counts: LimitsTests; that no header evades it: RawHttpTests.
/// </summary>
public sealed class LimitedDoorsTests(OneApp fixture) : IClassFixture<OneApp>
{
    // Whoever knocks shows, sets or asks for a credential: a password, a code, a link of a letter, a token to look into.
    private static readonly string[] Limited =
    [
        "/api/account/data", "/api/account/delete", "/api/account/email", "/api/account/email/confirm", "/api/account/password", "/api/passkeys/sign-in/finish",
        "/api/sessions/current/proof", "/api/tokens", "/api/users/confirm-email", "/api/users/finish-sign-up", "/api/users/forgot", "/api/users/reset",
        "/api/users/signin", "/api/users/signin/mfa", "/api/users/signup",
        "/account/confirm", "/account/confirm-email", "/account/confirm-new-email", "/account/data", "/account/delete", "/account/finish-sign-up", "/account/forgot",
        "/account/not-me", "/account/profile", "/account/reset", "/account/security", "/account/sign-in", "/account/sign-up", "/account/undo-email", "/tools/token",
    ];

    private static readonly string[] Unlimited =
    [
        // Nobody gets past the door of these without being an admin already.
        "DELETE /api/admin/services/{id}", "DELETE /api/admin/services/{id}/push", "DELETE /api/admin/sessions/{id}", "DELETE /api/admin/users/{id}/roles/{role}",
        "DELETE /api/admin/users/{id}/sessions", "POST /admin", "POST /admin/audit", "POST /admin/drill", "POST /admin/events", "POST /admin/keys", "POST /admin/users",
        "POST /admin/users/{Id}", "POST /api/admin/drills", "POST /api/admin/keys/rotate", "POST /api/admin/keys/{id}/revoke", "POST /api/admin/services",
        "POST /api/admin/services/{id}/push/retry", "POST /api/admin/services/{id}/rotate", "POST /api/admin/services/{id}/withdraw", "POST /api/admin/users/{id}/lock",
        "POST /api/admin/users/{id}/reset", "POST /api/admin/users/{id}/unlock", "POST /services", "POST /services/new", "POST /services/{Id}",
        "POST /services/{Id}/connect", "PUT /api/admin/services/{id}/push", "PUT /api/admin/users/{id}/roles/{role}",
        // A service's own secret, or an opaque token of 256 bits: nobody guesses either, and what services ask they ask with every request.
        "POST /api/tokens/refresh", "POST /auth/verify", "POST /connect/introspect", "POST /connect/revoke", "POST /connect/token", "POST /events/ack",
        "POST /events/poll",
        // A passkey's answer can't be guessed; its beginning gives nothing away.
        "DELETE /api/passkeys/{id}", "PATCH /api/passkeys/{id}", "POST /api/passkeys/add/begin", "POST /api/passkeys/add/finish", "POST /api/passkeys/confirm/begin",
        "POST /api/passkeys/confirm/finish", "POST /api/passkeys/sign-in/begin",
        // Somebody who is signed in, about what is theirs; where it takes a password, the form of that page is limited.
        "DELETE /api/account/email", "DELETE /api/sessions", "DELETE /api/sessions/{id}", "POST /account", "POST /account/activity", "POST /account/activity/end",
        "POST /account/activity/end-others", "POST /account/confirm-email/again", "POST /account/deleted", "POST /account/passkeys", "POST /account/services",
        "POST /account/sessions", "POST /account/sessions/end", "POST /account/sessions/end-others", "POST /account/sign-out", "POST /account/two-step",
        "POST /api/account/name", "POST /api/users/signout",
        // Nothing is to be had there: looks, languages, errors, the laboratory, and Blazor's own.
        "POST /", "POST /_blazor", "POST /_blazor/disconnect", "POST /_blazor/initializers", "POST /_blazor/negotiate", "POST /dev/ui", "POST /error/{Status:int}",
        "POST /lab", "POST /ui/language", "POST /ui/theme",
    ];

    [Fact]
    public void Every_door_that_takes_a_credential_counts_whoever_knocks()
    {
        var doors = fixture.App.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
            .SelectMany(e => (e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods is { Count: > 0 } named ? named : ["POST"])
                .Where(method => method is not ("GET" or "HEAD" or "OPTIONS" or "TRACE"))
                .Select(method => $"{PolicyOf(e) ?? "no limit"}: {method} /{e.RoutePattern.RawText!.Trim('/')}")).ToHashSet();
        HashSet<string> listed = [.. Limited.Select(path => $"{RateLimits.Credentials}: POST {path}"), $"{RateLimits.Judgements}: POST /ui/password-strength", .. Unlimited.Select(door => "no limit: " + door)];

        Assert.Equal("", string.Join('\n', doors.Except(listed).Select(door => "not listed: " + door).Concat(listed.Except(doors).Select(door => "not there: " + door))));
    }

    private static string? PolicyOf(RouteEndpoint door) =>
        door.Metadata.GetMetadata<DisableRateLimitingAttribute>() is null ? door.Metadata.GetMetadata<EnableRateLimitingAttribute>()?.PolicyName : null;
}
