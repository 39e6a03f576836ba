using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Tests.Accounts;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Recovery;

/// <summary>E-mail confirmation, and accounts that begin with a letter.</summary>
public sealed class SignUpLettersTests
{
    [Fact] // ATTACKS 57 for this link
    public async Task Whoever_signs_up_confirms_the_address_with_one_button()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var link = TestMail.LinkIn((await app.Mail.ToAsync(user.Email)).Single());
        for (var i = 0; i < 2; i++) Assert.Single((await (await app.SendAsync(HttpMethod.Get, link, cookies: user.Cookies)).PageAsync()).QuerySelectorAll("main form button"));
        Assert.False(await ConfirmedAsync(app, user.Id));
        Assert.Contains("is confirmed", await (await app.PostFormAsync(link, "confirm-email", [], user.Cookies)).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.True(await ConfirmedAsync(app, user.Id));
        Assert.Equal(HttpStatusCode.BadRequest, (await app.PostFormAsync(link, "confirm-email", [], user.Cookies)).StatusCode);
        Assert.True((await app.SignInAsync(user)).Claims.GetProperty("email_verified").GetBoolean());
    }

    [Fact] // Somebody signs up with an address that isn't theirs, leaves a way in, and waits for its owner's click.
    public async Task Who_has_the_letter_alone_confirms_nothing_and_signs_in_first()
    {
        await using var app = TestApp.Start();
        var (stranger, other) = (await app.SignUpAsync("victim@example.test"), await app.SignUpAsync());
        var link = TestMail.LinkIn(await app.Mail.LastToAsync(stranger.Email));
        foreach (var cookies in new[] { null, other.Cookies })
        {
            var page = await (await app.SendAsync(HttpMethod.Get, link, cookies: cookies)).PageAsync();
            Assert.Equal(cookies is null ? "/account/sign-in?returnUrl=" + Uri.EscapeDataString(link) : "/account/sign-out", page.QuerySelector("main a.btn")!.GetAttribute("href"));
            Assert.Empty(page.QuerySelectorAll("main form:not([hidden])"));
            Assert.Equal(HttpStatusCode.Forbidden, (await app.PostFormAsync(link, "confirm-email", [], cookies)).StatusCode);
            Assert.Equal(HttpStatusCode.Unauthorized, (await app.SendAsync(HttpMethod.Post, "/api/users/confirm-email", cookies: cookies, json: new { token = link.Split('=')[1] })).StatusCode);
        }

        Assert.False(await ConfirmedAsync(app, stranger.Id));
        // On the phone, where the letter is read: sign in, and the link is good still.
        var signedIn = await app.SignInAsync(stranger.Email, stranger.Password, "?returnUrl=" + Uri.EscapeDataString(link));
        Assert.Equal(link, signedIn.Location());
        Assert.Single((await app.FollowAsync(signedIn)).QuerySelectorAll("main form button"));
    }

    [Fact]
    public async Task The_letter_can_be_had_again_until_the_address_is_confirmed()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        for (var i = 0; i < 5; i++) await app.PostFormAsync("/account/confirm-email/again", "", [], user.Cookies);
        var letters = await app.Mail.ToAsync(user.Email);
        Assert.Equal(3, letters.Count);
        await app.SendAsync(HttpMethod.Post, "/api/users/confirm-email", cookies: user.Cookies, json: new { token = TestMail.TokenIn(letters[^1]) });
        app.Time.Advance(TimeSpan.FromHours(2));
        await app.PostFormAsync("/account/confirm-email/again", "", [], (await app.SignInAsync(user)).Cookies);
        Assert.Equal(3, (await app.Mail.ToAsync(user.Email)).Count);
    }

    [Fact] // ATTACKS 84
    public async Task ConfirmFirst_answers_the_same_for_a_taken_address_and_its_owner_gets_a_letter()
    {
        await using var app = TestApp.Start(("Accounts:SignUp", "ConfirmFirst"));
        var ada = await JoinAsync(app, "ada@example.test");
        var before = await app.DbAsync(db => db.Users.CountAsync());
        var (taken, fresh) = (await AnswerAsync(app, "ada@example.test"), await AnswerAsync(app, "new@example.test"));
        Assert.Equal(fresh, taken);
        Assert.StartsWith("202", taken, StringComparison.Ordinal);
        Assert.Equal(before, await app.DbAsync(db => db.Users.CountAsync()));
        Assert.Contains("already have an account", (await app.Mail.LastToAsync("ada@example.test")).Subject, StringComparison.Ordinal);
        Assert.Contains("Confirm your address", (await app.Mail.LastToAsync("new@example.test")).Subject, StringComparison.Ordinal);
        Assert.Equal(ada, await app.DbAsync(db => db.Users.Where(u => u.Email == "ada@example.test").Select(u => u.Id).SingleAsync()));

        var (takenPage, freshPage) = (await PageAsync(app, "ada@example.test"), await PageAsync(app, "new@example.test"));
        Assert.Equal(freshPage.Replace("new@example.test", "", StringComparison.Ordinal), takenPage.Replace("ada@example.test", "", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ConfirmFirst_wants_the_password_of_the_sign_up_too()
    {
        await using var app = TestApp.Start(("Accounts:SignUp", "ConfirmFirst"));
        await AnswerAsync(app, "victim@example.test");
        var token = TestMail.TokenIn(await app.Mail.LastToAsync("victim@example.test"));
        var page = await (await app.Client.GetAsync("/account/finish-sign-up?token=" + token)).PageAsync();
        Assert.Equal(("victim@example.test", "username"), (page.Value("username"), page.QuerySelector("input[name=username]")!.GetAttribute("autocomplete"))); // UX 1
        // A victim who clicks doesn't know the password that a stranger has chosen for them.
        await Answers.AssertProblemAsync(await FinishAsync(app, token, "what the victim would type"), 400, "Invalid credentials");
        Assert.Equal(0, await app.DbAsync(db => db.Users.CountAsync()));
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => FinishAsync(app, token, TestApp.Password)));
        Assert.Equal(HttpStatusCode.Created, Assert.Single(answers, a => a.StatusCode != HttpStatusCode.BadRequest).StatusCode);
        Assert.True(await app.DbAsync(db => db.Users.Select(u => u.EmailConfirmed).SingleAsync()));
    }

    [Fact] // The link is good for a day, and the lock lasts as long: only another link helps.
    public async Task ConfirmFirst_after_a_hundred_wrong_passwords_nobody_is_told_to_come_again_later()
    {
        await using var app = TestApp.Start(("Accounts:SignUp", "ConfirmFirst"));
        await AnswerAsync(app, "ada@example.test");
        var token = TestMail.TokenIn(await app.Mail.LastToAsync("ada@example.test"));
        await FinishAsync(app, token, "not the password at all");
        await app.DbAsync(db => db.Set<App.Accounts.GuessLimit>().ExecuteUpdateAsync(set => set.SetProperty(g => g.InARow, 99)));
        await FinishAsync(app, token, "not the password at all");

        await Answers.AssertProblemAsync(await FinishAsync(app, token, TestApp.Password), 429, "Too many wrong attempts in a row: trying again later doesn't help. Use another way in.");
        var page = await (await app.PostFormAsync("/account/finish-sign-up?token=" + token, "finish", [new("password", TestApp.Password)])).PageAsync();
        Assert.Equal("Too many wrong passwords in a row: trying again later won’t help. Sign up again for a new link.", page.Faults().First());
    }

    [Theory] // UX 6. Anybody may ask for the letter: it leads where sign-up leads, and no further.
    [InlineData("/account/sessions", "/account/sessions")]
    [InlineData("https://shop.example/cart?a=1&b=2", "https://shop.example/cart?a=1&b=2")]
    [InlineData("https://evil.example/", "/account")]
    [InlineData("//evil.example", "/account")]
    [InlineData(null, "/account")]
    public async Task ConfirmFirst_whoever_was_on_the_way_somewhere_gets_there_by_the_letter(string? wanted, string next)
    {
        await using var app = TestApp.Start(("Accounts:SignUp", "ConfirmFirst"), ("Gateway:AllowedOrigins:0", "https://shop.example"));
        var query = wanted is null ? "" : "returnUrl=" + Uri.EscapeDataString(wanted);
        await PageForms.SignUpAsync(app, "new@example.test", TestApp.Password, query: "?" + query);
        var link = TestMail.LinkIn(await app.Mail.LastToAsync("new@example.test"));
        Assert.Equal(next != "/account", link.EndsWith("&" + query, StringComparison.Ordinal) && wanted is not null);
        // Nor does a link that somebody has altered lead further.
        link = $"{link.Split('&')[0]}&{query}";
        var asked = await app.Client.GetAsync(link);
        Assert.Equal(next.StartsWith("https:", StringComparison.Ordinal), asked.Headers.GetValues("Content-Security-Policy").Single().Contains("form-action 'self' https://shop.example", StringComparison.Ordinal));
        Assert.Equal(next, (await app.PostFormAsync(link, "finish", [new("password", TestApp.Password)])).Location());
        // Used or too old, it leads to where one can begin anew.
        var over = await (await app.Client.GetAsync(link)).PageAsync();
        Assert.Equal("/account/sign-up" + (next == "/account" ? "" : "?" + query), over.QuerySelector("a.btn.main")!.GetAttribute("href"));
    }

    [Fact] // Where the column has a length, all that somebody may type has room in it.
    public async Task ConfirmFirst_an_address_and_a_name_far_from_ASCII_fit_into_the_link()
    {
        await using var app = TestApp.Start(("Accounts:SignUp", "ConfirmFirst"));
        var (word, name) = (new string('ü', 20), new string('é', 200));
        var email = $"{new string('ö', 32)}@{word}.{word}.{word}.example";
        await app.PostTextAsync("/api/users/signup", Json(new { email, password = TestApp.Password, name }));
        var token = TestMail.TokenIn(await app.Mail.LastToAsync(email));
        Assert.InRange((await app.DbAsync(db => db.Set<App.Mail.OneTimeLink>().Select(l => l.Details!).SingleAsync())).Length, name.Length, 2000);
        Assert.Equal(HttpStatusCode.Created, (await FinishAsync(app, token, TestApp.Password)).StatusCode);
        Assert.Equal(name, await app.DbAsync(db => db.Users.Select(u => u.Name).SingleAsync()));
    }

    [Fact] // ATTACKS 92
    public async Task ConfirmFirst_a_stranger_who_locks_the_address_does_not_lock_the_link()
    {
        await using var app = TestApp.Start(("Accounts:SignUp", "ConfirmFirst"));
        await AnswerAsync(app, "ada@example.test");
        var token = TestMail.TokenIn(await app.Mail.LastToAsync("ada@example.test"));
        for (var i = 0; i < 11; i++) await app.SignInAsync("ada@example.test", new string('x', 2000));
        Assert.Equal(HttpStatusCode.Created, (await FinishAsync(app, token, TestApp.Password)).StatusCode);
    }

    [Fact]
    public async Task ConfirmFirst_a_stranger_who_signs_up_in_the_owner_s_name_leaves_them_their_reset()
    {
        await using var app = TestApp.Start(("Accounts:SignUp", "ConfirmFirst"));
        await JoinAsync(app, "ada@example.test");
        for (var i = 0; i < 5; i++) await AnswerAsync(app, "ada@example.test");
        await app.PostTextAsync("/api/users/forgot", Json(new { email = "ada@example.test" }));
        Assert.StartsWith("/account/reset?token=", TestMail.LinkIn(await app.Mail.LastToAsync("ada@example.test")), StringComparison.Ordinal);
    }

    private static async Task<Guid> JoinAsync(TestApp app, string email)
    {
        await AnswerAsync(app, email);
        var answer = await FinishAsync(app, TestMail.TokenIn(await app.Mail.LastToAsync(email)), TestApp.Password);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return (await TestUser.ReadAsync(app, answer, email, TestApp.Password)).Id;
    }

    private static async Task<string> AnswerAsync(TestApp app, string email)
    {
        using var answer = await app.PostTextAsync("/api/users/signup", Json(new { email, password = TestApp.Password }));
        var headers = answer.Headers.Concat(answer.Content.Headers).Where(h => h.Key != "Date").Select(h => $"{h.Key}: {string.Join('|', h.Value)}");
        return $"{(int)answer.StatusCode} {string.Join('\n', headers)} {await answer.Content.ReadAsStringAsync()}";
    }

    private static async Task<string> PageAsync(TestApp app, string email)
    {
        using var answer = await PageForms.SignUpAsync(app, email, TestApp.Password);
        // Ciphertext of the framework's, new for each answer: of it, the length alone can tell something.
        return Regex.Replace($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}", "[A-Za-z0-9+/=_-]{100,}", sealedText => $"{sealedText.Length}");
    }

    private static Task<HttpResponseMessage> FinishAsync(TestApp app, string token, string password) => app.PostTextAsync("/api/users/finish-sign-up", Json(new { token, password }));

    private static Task<bool> ConfirmedAsync(TestApp app, Guid id) => app.DbAsync(db => db.Users.Where(u => u.Id == id).Select(u => u.EmailConfirmed).SingleAsync());

    private static string Json(object value) => JsonSerializer.Serialize(value);
}
