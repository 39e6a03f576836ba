using System.Diagnostics;
using System.Net;
using System.Text.Json;
using App.Audit;
using App.Data;
using App.Events;
using App.Mail;
using App.Tests.Accounts;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Recovery;

/// <summary>Back in by mail. ATTACKS, groups RST, ENUM and HOST, as far as they are about the reset.</summary>
public sealed class ResetTests : IAsyncLifetime
{
    private const string NewPassword = "seven quiet harbours dreaming";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // ATTACKS 117, 123
    public async Task A_link_sets_one_new_password_once_and_ends_every_session()
    {
        var user = await _app.SignUpAsync();
        var (second, third) = (await _app.SignInAsync(user), await _app.SignInAsync(user));
        var token = await AskAsync(user.Email);
        await OkAsync(ResetAsync(token, NewPassword));

        foreach (var session in new[] { user, second, third })
        {
            Assert.Null(await _app.WhoAmIAsync(bearer: session.AccessToken));
            Assert.Null(await _app.WhoAmIAsync(cookies: session.Cookies));
        }

        var events = await _app.DbAsync(db => db.SecurityEvents.AsNoTracking().Where(e => e.UserId == user.Id).OrderBy(e => e.Cursor).Select(e => e.Reason).ToListAsync());
        Assert.Equal(["password-changed", "ended-by-user", "ended-by-user", "ended-by-user"], events);
        await Answers.AssertProblemAsync(await ResetAsync(token, "another password that is long"), 400, "This link has been used or is too old");
        Assert.Equal(HttpStatusCode.BadRequest, (await SignInAsync(user.Email, user.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await SignInAsync(user.Email, NewPassword)).StatusCode);
        Assert.Contains("was changed", (await _app.Mail.LastToAsync(user.Email)).Subject, StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 118: at two replicas too
    public async Task Of_twenty_at_once_one_wins()
    {
        await using var replica = _app.StartReplica();
        var user = await _app.SignUpAsync();
        var token = await AskAsync(user.Email);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            (i % 2 == 0 ? _app : replica).PostTextAsync("/api/users/reset", Json(new { token, password = $"new password for all, number {i}" }))));
        Assert.Equal((1, 19), (answers.Count(a => a.StatusCode == HttpStatusCode.OK), answers.Count(a => a.StatusCode == HttpStatusCode.BadRequest)));
        var winner = Array.FindIndex(answers, a => a.StatusCode == HttpStatusCode.OK);
        Assert.Equal(HttpStatusCode.OK, (await SignInAsync(user.Email, $"new password for all, number {winner}")).StatusCode);
    }

    [Fact] // ATTACKS 119
    public async Task A_link_is_good_for_an_hour()
    {
        var user = await _app.SignUpAsync();
        var token = await AskAsync(user.Email);
        _app.Time.Advance(TimeSpan.FromMinutes(60));
        Assert.Equal(HttpStatusCode.BadRequest, (await ResetAsync(token, NewPassword)).StatusCode);
        Assert.Contains("no longer good", await _app.Client.GetStringAsync("/account/reset?token=" + token), StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 92: anybody may use up the letters of an hour
    public async Task Whoever_is_refused_another_letter_has_good_ones()
    {
        var user = await _app.SignUpAsync();
        var tokens = new List<string>();
        for (var i = 0; i < 3; i++) tokens.Add(await AskAsync(user.Email));
        _app.Time.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(tokens[2], await AskAsync(user.Email));
        await OkAsync(ResetAsync(tokens[0], NewPassword));
    }

    [Fact]
    public async Task No_letter_leaves_when_its_link_is_over()
    {
        var user = await _app.SignUpAsync();
        await ForgotAsync(user.Email);
        await _app.SendAsync(HttpMethod.Post, "/api/account/email", cookies: user.Cookies, json: new { email = "other@example.test", password = user.Password });
        var drafts = await _app.DbAsync(db => db.Outbox.AsNoTracking().Where(l => l.Draft != null).ToListAsync());
        await _app.Mail.AllAsync();
        foreach (var kind in new[] { "confirm-email", "reset", "new-email" })
        {
            var ends = await _app.DbAsync(db => db.Set<OneTimeLink>().Where(l => l.Purpose == kind).Select(l => l.ExpiresAt).SingleAsync());
            Assert.True(drafts.Single(d => d.Draft == kind).GiveUpAt <= ends, kind);
        }
    }

    [Fact] // As a letter that was being written while the address changed: whoever reads there must not open the account by it.
    public async Task A_link_is_good_while_the_account_has_the_address_that_it_went_to()
    {
        var user = await _app.SignUpAsync();
        var token = await AskAsync(user.Email);
        await _app.DbAsync(db => db.Users.ExecuteUpdateAsync(set => set.SetProperty(u => u.Email, "other@example.test").SetProperty(u => u.NormalizedEmail, "OTHER@EXAMPLE.TEST")));
        var page = await _app.Client.GetStringAsync("/account/reset?token=" + token);
        Assert.Contains("no longer good", page, StringComparison.Ordinal);
        Assert.DoesNotContain("other@example.test", page, StringComparison.Ordinal);
        await Answers.AssertProblemAsync(await ResetAsync(token, NewPassword), 400, "This link has been used or is too old");
    }

    [Fact] // ATTACKS 120
    public async Task A_link_is_for_its_own_account()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var token = await AskAsync(ada.Email);
        await Answers.AssertProblemAsync(await _app.PostTextAsync("/api/users/reset", Json(new { token, password = NewPassword, email = bob.Email })), 400, "This link has been used or is too old");
        foreach (var user in new[] { ada, bob }) Assert.Equal(HttpStatusCode.OK, (await SignInAsync(user.Email, user.Password)).StatusCode);
    }

    [Theory] // ATTACKS 121
    [InlineData("""{"email":["{0}","evil@evil.test"]}""")]
    [InlineData("""{"email":"{0},evil@evil.test"}""")]
    [InlineData("""{"email":"{0}","email":"evil@evil.test"}""")]
    [InlineData("""{"email":{"a":"{0}"}}""")]
    [InlineData("""{"email":"{0}\r\nBcc: evil@evil.test"}""")]
    public async Task One_request_is_for_one_address(string body)
    {
        var user = await _app.SignUpAsync();
        var before = (await _app.Mail.AllAsync()).Count;
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostTextAsync("/api/users/forgot", body.Replace("{0}", user.Email, StringComparison.Ordinal))).StatusCode);
        Assert.Equal(before, (await _app.Mail.AllAsync()).Count);
    }

    [Fact] // ATTACKS 121: as a form
    public async Task A_form_with_two_addresses_writes_to_the_stored_one_at_most()
    {
        var user = await _app.SignUpAsync();
        foreach (var (names, status) in new[] { ("email email", HttpStatusCode.BadRequest), ("email[] email[]", HttpStatusCode.BadRequest), ("email email[]", HttpStatusCode.OK) })
        {
            using var answer = await _app.PostFormAsync("/account/forgot", "forgot", names.Split(' ').Zip([user.Email, "evil@evil.test"], KeyValuePair.Create));
            Assert.Equal((names, status), (names, answer.StatusCode));
        }

        Assert.Empty(await _app.Mail.ToAsync("evil@evil.test"));
        Assert.Single(await ResetLettersAsync(user.Email)); // a name that nobody reads is no second address
    }

    [Fact] // ATTACKS 57
    public async Task A_mail_scanner_that_follows_the_link_uses_nothing_up()
    {
        var user = await _app.SignUpAsync();
        var token = await AskAsync(user.Email);
        for (var i = 0; i < 3; i++)
        {
            var look = await _app.Client.GetAsync("/account/reset?token=" + token);
            Assert.Equal(HttpStatusCode.OK, look.StatusCode);
            Assert.Equal(["same-origin"], look.Headers.GetValues("Referrer-Policy"));
            Assert.Contains("no-store", look.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        }

        var answer = await _app.PostFormAsync("/account/reset?token=" + token, "reset", [new("password", NewPassword)]);
        Assert.Equal("/account/sign-in", answer.Location());
        Assert.StartsWith("told=", Assert.Single(Answers.CookieLines(answer)), StringComparison.Ordinal); // ATTACKS 124: the link alone is no session
        Assert.Contains("has been changed", (await _app.FollowAsync(answer)).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await SignInAsync(user.Email, NewPassword)).StatusCode);
    }

    [Theory] // The browser of who clicks twice shows the second answer.
    [InlineData("en", "may have done its work", "Nothing")]
    [InlineData("de", "vielleicht schon getan", "nichts")]
    public async Task A_link_that_has_just_been_used_says_so_and_claims_nothing_else(string language, string said, string claimed)
    {
        var user = await _app.SignUpAsync();
        var link = "/account/reset?token=" + await AskAsync(user.Email);
        await _app.PostFormAsync(link, "reset", [new("password", NewPassword)]);
        using var request = new HttpRequestMessage(HttpMethod.Post, link)
        {
            Content = new FormUrlEncodedContent([new("_handler", "reset"), new("password", NewPassword)]),
            Headers = { { "Accept-Language", language } },
        };
        var card = (await (await _app.Client.SendAsync(request)).PageAsync()).QuerySelector(".card")!;
        Assert.Contains(said, card.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain(claimed, card.TextContent, StringComparison.Ordinal);
        Assert.Equal(["/account/forgot", "/account/sign-in"], card.QuerySelectorAll("a").Select(a => a.GetAttribute("href")));
    }

    [Theory] // Anybody may ask for the letter: it leads where sign-in leads, and no further.
    [InlineData("/account/sessions", "/account/sign-in?returnUrl=%2Faccount%2Fsessions")]
    [InlineData("https://shop.example/cart?a=1&b=2", "/account/sign-in?returnUrl=https%3A%2F%2Fshop.example%2Fcart%3Fa%3D1%26b%3D2")]
    [InlineData("https://evil.example/", "/account/sign-in")]
    [InlineData("//evil.example", "/account/sign-in")]
    [InlineData("/\\evil.example", "/account/sign-in")]
    public async Task Whoever_was_on_the_way_somewhere_gets_there_by_the_letter(string wanted, string next)
    {
        await using var app = TestApp.Start(("Gateway:AllowedOrigins:0", "https://shop.example"));
        var user = await app.SignUpAsync();
        await app.PostFormAsync("/account/forgot?returnUrl=" + Uri.EscapeDataString(wanted), "forgot", [new("email", user.Email)]);
        var link = TestMail.LinkIn(await app.Mail.LastToAsync(user.Email));
        Assert.Equal(next.Contains("returnUrl", StringComparison.Ordinal), link.EndsWith("&returnUrl=" + Uri.EscapeDataString(wanted), StringComparison.Ordinal));
        // Nor does a link that somebody has altered lead further.
        link = $"{link.Split('&')[0]}&returnUrl={Uri.EscapeDataString(wanted)}";
        Assert.Equal(next, (await app.PostFormAsync(link, "reset", [new("password", NewPassword)])).Location());
    }

    [Fact]
    public async Task The_page_says_what_is_wrong_with_a_password_and_keeps_the_link()
    {
        var user = await _app.SignUpAsync();
        var token = await AskAsync(user.Email);
        var answer = await _app.PostFormAsync("/account/reset?token=" + token, "reset", [new("password", "short")]);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("A password has 15 to 128 characters.", (await answer.PageAsync()).Faults().Single());
        await OkAsync(ResetAsync(token, NewPassword));
    }

    [Fact] // ATTACKS 102: letters are bounded, and the answer doesn't tell
    public async Task A_hundred_requests_write_three_letters_an_hour()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 100; i++) Assert.Equal((HttpStatusCode.Accepted, "{}"), await ForgotAsync(user.Email));
        Assert.Equal(3, (await ResetLettersAsync(user.Email)).Count); // the letter of the sign-up is no part of it
        _app.Time.Advance(TimeSpan.FromMinutes(61));
        await ForgotAsync(user.Email);
        Assert.Single(await ResetLettersAsync(user.Email)); // those of an hour ago are of no use any more, and gone
    }

    [Fact] // ATTACKS 102: a hundred addresses from one client
    public async Task Whoever_asks_for_many_people_is_held_at_the_door_after_a_letter_each()
    {
        await using var app = TestApp.Start(("RateLimits:PerAddressPerMinute", "60"));
        await app.DbAsync(async db =>
        {
            for (var i = 0; i < 50; i++) db.Users.Add(NewUser($"person-{i}@example.test"));
            return await db.SaveChangesAsync();
        });
        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 100; i++) statuses.Add((await app.PostTextAsync("/api/users/forgot", Json(new { email = $"person-{i}@example.test" }))).StatusCode); // every other one is nobody
        Assert.Equal([(HttpStatusCode.Accepted, 60), (HttpStatusCode.TooManyRequests, 40)], statuses.GroupBy(s => s).Select(g => (g.Key, g.Count())));
        for (var i = 0; i < 50; i++) Assert.Single(await app.Mail.ToAsync($"person-{i}@example.test"));
    }

    [Fact] // ATTACKS 83: 200 pairs
    public async Task Known_and_unknown_addresses_get_the_same_bytes_in_the_same_time()
    {
        await _app.DbAsync(async db =>
        {
            for (var i = 0; i < 200; i++) db.Users.Add(NewUser($"known-{i}@example.test"));
            return await db.SaveChangesAsync();
        });
        await ForgotAsync("warm@example.test");
        var (known, unknown) = (new List<double>(), new List<double>());
        for (var i = 0; i < 200; i++)
        {
            foreach (var (times, name) in i % 2 == 0 ? new[] { (known, "known"), (unknown, "other") } : [(unknown, "other"), (known, "known")])
            {
                var begun = Stopwatch.GetTimestamp();
                Assert.Equal((HttpStatusCode.Accepted, "{}"), await ForgotAsync($"{name}-{i}@example.test"));
                times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            }
        }

        // By pairs: what slows the machine slows both of one, and is no difference between them.
        Assert.InRange(Math.Abs(Median([.. known.Zip(unknown, (one, other) => one - other)])), 0, 5);
        Assert.Equal(401, await _app.DbAsync(db => db.Outbox.CountAsync(l => l.Draft == "reset")));
    }

    [Theory] // ATTACKS 112, 113
    [InlineData("Host", "evil.test")]
    [InlineData("X-Forwarded-Host", "evil.test")]
    [InlineData("Forwarded", "host=evil.test")]
    [InlineData("X-Host", "evil.test")]
    [InlineData("X-Original-Host", "evil.test")]
    [InlineData("X-Forwarded-Prefix", "//evil.test")]
    [InlineData("X-Forwarded-Proto", "javascript")]
    public async Task The_link_is_built_on_the_setting_whatever_the_request_says(string header, string value)
    {
        var user = await _app.SignUpAsync();
        await _app.SendAsync(HttpMethod.Post, "/api/users/forgot", json: new { email = user.Email }, headers: (header, value));
        var letter = (await ResetLettersAsync(user.Email)).Single();
        Assert.StartsWith("/account/reset?token=", TestMail.LinkIn(letter), StringComparison.Ordinal);
        // With its dot: a link's token may spell the rest by chance.
        Assert.DoesNotContain("evil.", letter.Text + letter.Html, StringComparison.OrdinalIgnoreCase);
    }

    [Fact] // ATTACKS 72: in HTML mail, a name is text
    public async Task A_stranger_s_words_are_text_in_a_letter()
    {
        var letter = _app.Get<LetterPaper>().Write("a@b.test", "<script>", ["<img src=x onerror=alert(1)>"], ("<b>", "/x?a=\"><script>"), "</div><script>");
        foreach (var bad in new[] { "<script", "<img", "onerror=alert(1)>" }) Assert.DoesNotContain(bad, letter.Html, StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 124
    public async Task A_reset_proves_the_address_and_nothing_else()
    {
        var user = await _app.SignUpAsync();
        await OkAsync(ResetAsync(await AskAsync(user.Email), NewPassword));
        var row = await _app.DbAsync(db => db.Users.AsNoTracking().SingleAsync(u => u.Id == user.Id));
        Assert.True(row.EmailConfirmed);
        Assert.Equal(1, await _app.DbAsync(db => db.Audit.CountAsync(a => a.UserId == user.Id && a.Action == "signed-in")));
    }

    [Fact] // UX 5: a lock says how to get back
    public async Task A_reset_opens_an_account_that_guesses_have_locked()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 11; i++) await SignInAsync(user.Email, new string('x', 2000));
        Assert.Equal(HttpStatusCode.TooManyRequests, (await SignInAsync(user.Email, user.Password)).StatusCode);
        await OkAsync(ResetAsync(await AskAsync(user.Email), NewPassword));
        Assert.Equal(HttpStatusCode.OK, (await SignInAsync(user.Email, NewPassword)).StatusCode);
    }

    private async Task<string> AskAsync(string email)
    {
        await ForgotAsync(email);
        return TestMail.TokenIn((await ResetLettersAsync(email))[^1]);
    }

    private async Task<List<Letter>> ResetLettersAsync(string email) => [.. (await _app.Mail.ToAsync(email)).Where(l => l.Subject.StartsWith("Set a new password", StringComparison.Ordinal))];

    private async Task<(HttpStatusCode, string)> ForgotAsync(string email)
    {
        using var answer = await _app.PostTextAsync("/api/users/forgot", Json(new { email }));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private Task<HttpResponseMessage> ResetAsync(string token, string password) => _app.PostTextAsync("/api/users/reset", Json(new { token, password }));

    private Task<HttpResponseMessage> SignInAsync(string email, string password) => _app.PostTextAsync("/api/users/signin", Json(new { email, password }));

    private static async Task OkAsync(Task<HttpResponseMessage> asked) => Assert.Equal(HttpStatusCode.OK, (await asked).StatusCode);

    private static string Json(object value) => JsonSerializer.Serialize(value);

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static User NewUser(string email) => new()
    {
        Id = Guid.CreateVersion7(),
        Email = email,
        NormalizedEmail = email,
        UserName = email,
        NormalizedUserName = email,
        SecurityStamp = "x",
    };
}
