using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Accounts;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Accounts;

/// <summary>Who has an account is nobody's business. ATTACKS, group ENUM. (Equal work without a clock: HashingBusyTests.)</summary>
public sealed partial class EnumerationTests(OneApp fixture) : IClassFixture<OneApp>
{
    private const string Wrong = "not the password of anybody";
    private readonly TestApp _app = fixture.App;

    [Fact] // ATTACKS 81
    public async Task Two_hundred_pairs_of_known_and_unknown_differ_in_no_byte_at_any_door()
    {
        var known = (await _app.SignUpAsync()).Email;
        var unknown = "x" + known[1..];
        foreach (var door in new[] { "/api/users/signin", "/api/tokens", "/account/sign-in" })
        {
            // Nine, so that no lock comes between, and then the lock itself for the rest: 67 pairs at each of three doors.
            await _app.DbAsync(db => db.Set<GuessLimit>().ExecuteDeleteAsync());
            for (var pair = 0; pair < 67; pair++)
            {
                var one = await GuessAsync(door, known);
                var other = await GuessAsync(door, unknown);
                Assert.Equal(one, other);
                Assert.StartsWith(pair < 10 ? (door == "/api/tokens" ? "401" : "400") : "429", one, StringComparison.Ordinal);
            }
        }
    }

    [Fact] // ATTACKS 87, 151
    public async Task Another_persons_session_is_answered_like_one_that_never_was()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var before = await State.OfAsync(_app);
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Delete })
        {
            var theirs = await TextAsync(await _app.SendAsync(method, $"/api/sessions/{bob.SessionId}", bearer: ada.AccessToken));
            var nobodys = await TextAsync(await _app.SendAsync(method, $"/api/sessions/{Guid.NewGuid()}", bearer: ada.AccessToken));
            Assert.Equal(nobodys, theirs);
            Assert.StartsWith("404", theirs, StringComparison.Ordinal);
        }

        var form = await _app.PostFormAsync("/account/sessions/end", "end", [new("id", bob.SessionId.ToString())], ada.Cookies);
        Assert.Equal("/account/sessions", form.Headers.Location!.OriginalString);
        Assert.Equal(before, await State.OfAsync(_app));
        Assert.Equal(bob.Email, await _app.WhoAmIAsync(cookies: bob.Cookies));
    }

    [Fact] // ATTACKS 133, 151
    public async Task Ending_all_others_ends_the_callers_others_and_nobody_elses()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var others = new[] { await _app.SignInAsync(ada), await _app.SignInAsync(ada) };
        var answer = await _app.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: ada.AccessToken);
        Assert.Equal("""{"ended":2}""", await answer.Content.ReadAsStringAsync());

        foreach (var ended in others)
        {
            Assert.Null(await _app.WhoAmIAsync(bearer: ended.AccessToken));
            Assert.Null(await _app.WhoAmIAsync(cookies: ended.Cookies));
            await Answers.AssertProblemAsync(await _app.PostTextAsync("/api/tokens/refresh", JsonSerializer.Serialize(new { refresh_token = ended.RefreshToken })), 401, "Not authorized");
        }

        Assert.Equal(ada.Email, await _app.WhoAmIAsync(cookies: ada.Cookies));
        Assert.Equal(bob.Email, await _app.WhoAmIAsync(cookies: bob.Cookies));
        var list = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: ada.AccessToken));
        Assert.Equal(ada.SessionId, Assert.Single(list.EnumerateArray()).GetProperty("id").GetGuid());
    }

    private async Task<string> GuessAsync(string door, string email)
    {
        using var answer = door.StartsWith("/api", StringComparison.Ordinal)
            ? await _app.PostTextAsync(door, JsonSerializer.Serialize(new { email, password = Wrong }))
            : await _app.PostFormAsync(door, "sign-in", [new("email", email), new("password", Wrong)]);
        // The page shows the address that was typed; that one difference is the sender's own.
        return (await TextAsync(answer)).Replace(email, "(typed)", StringComparison.Ordinal);
    }

    private static async Task<string> TextAsync(HttpResponseMessage answer)
    {
        var text = new StringBuilder().AppendLine(((int)answer.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture));
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers).Where(h => h.Key is not ("Date" or "Retry-After")))
            text.AppendLine(System.Globalization.CultureInfo.InvariantCulture, $"{name}: {string.Join(" | ", values)}");
        // Ciphertext of the framework's, new for each answer: of it, the length alone can tell something.
        return Sealed().Replace(text.Append(await answer.Content.ReadAsStringAsync()).ToString(), m => $"{m.Length}");
    }

    [GeneratedRegex("Blazor-Server-Component-State:[A-Za-z0-9+/=_-]*")]
    private static partial Regex Sealed();
}
