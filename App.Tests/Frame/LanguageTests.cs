using System.Net;
using System.Text;
using App.Tests.Accounts;
using App.Tests.Factors;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Frame;

/// <summary>Pages and letters are in the reader's language; programs are answered in English, whatever they accept.</summary>
public sealed class LanguageTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory]
    [InlineData(null, "en")]
    [InlineData("de", "de")]
    [InlineData("de-AT,de;q=0.9,en;q=0.8", "de")]
    [InlineData("fr,de;q=0.5", "de")]
    [InlineData("en-GB,de;q=0.5", "en")]
    [InlineData("de;q=0.2,en;q=0.9", "en")]
    [InlineData("fr", "en")]
    [InlineData("*", "en")]
    [InlineData("de\u00e4;;q=x,=", "en")]
    public async Task The_browser_chooses_among_the_languages_that_there_are(string? accepted, string language)
    {
        var answer = await GetAsync("/account/sign-in", accepted);
        var page = await answer.PageAsync();
        Assert.Equal(language, page.DocumentElement.GetAttribute("lang"));
        Assert.Equal(language == "de" ? "Anmelden" : "Sign in", page.QuerySelector("h1")!.TextContent);
        Assert.Equal([language], answer.Content.Headers.ContentLanguage);
        Assert.Equal(["Accept-Language", "Cookie"], answer.Headers.Vary);
    }

    [Theory]
    [InlineData("/", "Eine Anmeldung für alle Ihre Dienste")]
    [InlineData("/account/sign-up", "Konto erstellen")]
    [InlineData("/account/sign-out", "Sie sind abgemeldet")]
    [InlineData("/account/forgot", "Passwort vergessen?")]
    [InlineData("/account/reset", "Dieser Link gilt nicht mehr")]
    [InlineData("/no/such/page", "Hier ist keine Seite")]
    public async Task A_stranger_reads_German(string path, string heading) =>
        Assert.Equal(heading, (await (await GetAsync(path, "de")).PageAsync()).QuerySelector("h1")!.TextContent);

    [Theory]
    [InlineData("/account", "Ihr Konto")]
    [InlineData("/account/profile", "Profil")]
    [InlineData("/account/security", "Sicherheit")]
    [InlineData("/account/two-step", "Anmeldung in zwei Schritten")]
    [InlineData("/account/passkeys", "Passkeys")]
    [InlineData("/account/sessions", "Wo Sie angemeldet sind")]
    [InlineData("/account/activity", "Aktivität")]
    [InlineData("/account/confirm", "Bestätigen Sie, dass Sie es sind")]
    public async Task So_does_whoever_is_signed_in_on_the_first_html(string path, string heading)
    {
        var user = await _app.SignUpAsync();
        var page = await (await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies + "; language=de")).PageAsync();
        Assert.Equal(heading, page.QuerySelector("h1")!.TextContent);
        Assert.DoesNotContain("ago", page.Body!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_choice_is_remembered_beats_the_browser_and_leads_back()
    {
        var answer = await ChooseAsync("de", "/account/sign-up?x=1");
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal("/account/sign-up?x=1", answer.Location());
        Assert.Equal("language=de; max-age=34560000; path=/; secure; samesite=lax; httponly", answer.Headers.GetValues("Set-Cookie").Single());

        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/sign-up", cookies: "language=de", headers: ("Accept-Language", "en"))).PageAsync();
        Assert.Equal("Konto erstellen", page.QuerySelector("h1")!.TextContent);
        Assert.Equal("Deutsch", page.QuerySelector(".foot [name=language][aria-pressed=true]")!.TextContent);
        Assert.Equal("/account/sign-up", page.QuerySelector(".foot form[action='/ui/language'] input")!.GetAttribute("value"));
    }

    [Theory] // RED-01
    [InlineData("de", "//evil.test", "/")]
    [InlineData("de", "https://evil.test", "/")]
    public async Task It_leads_nowhere_else(string language, string returnUrl, string location) => Assert.Equal(location, (await ChooseAsync(language, returnUrl)).Location());

    [Theory]
    [InlineData("fr"), InlineData(""), InlineData("de\r\nx: y"), InlineData("DE")]
    public async Task What_is_no_language_of_ours_leaves_it_to_the_browser(string language)
    {
        Assert.StartsWith("language=; max-age=0; path=/", (await ChooseAsync(language, "/")).Headers.GetValues("Set-Cookie").Single(), StringComparison.Ordinal);
        var page = await (await _app.SendAsync(HttpMethod.Get, "/", cookies: "language=" + Uri.EscapeDataString(language))).PageAsync();
        Assert.Equal("en", page.DocumentElement.GetAttribute("lang"));
    }

    [Fact]
    public async Task What_is_wrong_with_a_form_is_said_in_its_language()
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/account/sign-up")
        {
            Content = new FormUrlEncodedContent([new("_handler", "sign-up"), new("email", "ada"), new("password", "kurz"), new("name", new string('a', 201))]),
        };
        request.Headers.Add("Accept-Language", "de");
        var page = await (await _app.Client.SendAsync(request)).PageAsync();
        Assert.Equal(
            ["Das ist keine E-Mail-Adresse. Eine sieht so aus: ada@example.com.", "Ein Passwort hat 15 bis 128 Zeichen.", "Ein Name hat höchstens 200 Zeichen."],
            page.Faults());
    }

    /// <summary>The course's API above all: its clients compare texts.</summary>
    [Fact]
    public async Task Programs_are_answered_byte_for_byte_alike_whatever_they_accept()
    {
        var user = await _app.SignUpAsync();
        (HttpMethod Method, string Path, string? Body)[] calls =
        [
            (HttpMethod.Get, "/api/users/currentuser", null),
            (HttpMethod.Post, "/api/users/signup", """{"email":"ada","password":"short"}"""),
            (HttpMethod.Post, "/api/users/signup", $$"""{"email":"{{user.Email}}","password":"{{TestApp.Password}} x"}"""),
            (HttpMethod.Post, "/api/users/signup", """{"email":"b@example.test","password":"password password"}"""),
            (HttpMethod.Post, "/api/users/signin", """{"email":"ada","password":""}"""),
            (HttpMethod.Post, "/api/users/signin", "{"),
            (HttpMethod.Post, "/api/users/signin", """{"email":"nobody@example.test","password":"something else here"}"""),
            (HttpMethod.Post, "/api/users/forgot", """{"email":"ada"}"""),
            (HttpMethod.Post, "/api/account/name", $$"""{"name":"{{new string('a', 201)}}"}"""),
            (HttpMethod.Post, "/api/account/password", """{"currentPassword":"x","password":"short"}"""),
            (HttpMethod.Post, "/api/account/email", """{"email":"x","password":"y"}"""),
            (HttpMethod.Get, "/api/account/activity", null),
            (HttpMethod.Get, "/api/sessions", null),
            (HttpMethod.Post, "/api/tokens", """{"email":"","password":""}"""),
            (HttpMethod.Get, "/api/nothing", null),
            (HttpMethod.Get, "/auth/verify", null),
            (HttpMethod.Get, "/.well-known/openid-configuration", null),
            (HttpMethod.Post, "/connect/introspect", "token=x"),
        ];
        foreach (var (method, path, body) in calls)
        {
            var (plain, german) = (await AnswerAsync(null), await AnswerAsync("de"));
            Assert.Equal(plain, german);
            Assert.DoesNotContain("Content-Language", german, StringComparison.Ordinal);
            Assert.DoesNotContain("Accept-Language", german, StringComparison.Ordinal);

            async Task<string> AnswerAsync(string? language)
            {
                var request = new HttpRequestMessage(method, path);
                if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, body.StartsWith("token", StringComparison.Ordinal) ? "application/x-www-form-urlencoded" : "application/json");
                request.Headers.Add("Authorization", "Bearer " + user.AccessToken);
                request.Headers.Add("Cookie", language is null ? "x=y" : "language=" + language);
                if (language is not null) request.Headers.Add("Accept-Language", language);
                var answer = await _app.Client.SendAsync(request);
                return $"{(int)answer.StatusCode}\n{answer.Headers}{answer.Content.Headers}\n{await answer.Content.ReadAsStringAsync()}";
            }
        }
    }

    [Fact] // Whoever has the password must not choose in which language its owner is warned.
    public async Task A_letter_is_in_the_language_of_whom_it_is_for()
    {
        var signedUp = await _app.SendAsync(HttpMethod.Post, "/api/users/signup", json: new { email = "ada@example.test", password = TestApp.Password }, headers: ("Accept-Language", "de"));
        var user = await TestUser.ReadAsync(_app, signedUp, "ada@example.test", TestApp.Password);
        await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = user.Password }, headers: [("User-Agent", "curl/8"), ("Accept-Language", "en")]);
        var letter = await _app.Mail.LastToAsync(user.Email);
        Assert.Equal("Neue Anmeldung bei Gatehouse", letter.Subject);
        Assert.Contains("curl (Programm)", letter.Text, StringComparison.Ordinal);
        Assert.Contains("<html lang=\"de\">", letter.Html, StringComparison.Ordinal);

        await ForgetAsync("en");
        Assert.Equal("Neues Passwort für Gatehouse", (await _app.Mail.LastToAsync(user.Email)).Subject);
        await _app.TurnOnTwoStepAsync(user); // a letter that is written at once
        Assert.Equal("Die Anmeldung in zwei Schritten ist eingeschaltet", (await _app.Mail.LastToAsync(user.Email)).Subject);

        // The switch of somebody who is signed in speaks for their letters, a stranger's doesn't.
        await ChooseAsync("en", "/");
        await ForgetAsync("en");
        Assert.Equal("Neues Passwort für Gatehouse", (await _app.Mail.LastToAsync(user.Email)).Subject);
        await _app.PostFormAsync("/ui/language", "", [new("language", "en")], user.Cookies);
        await ForgetAsync("de");
        Assert.Equal("Set a new password for Gatehouse", (await _app.Mail.LastToAsync(user.Email)).Subject);
        var data = await (await _app.PostFormAsync("/account/data", "", [new("password", user.Password)], user.Cookies)).Content.ReadAsStringAsync();
        Assert.Contains("\"language\": \"en\"", data, StringComparison.Ordinal);

        Task ForgetAsync(string language) => _app.SendAsync(HttpMethod.Post, "/api/users/forgot", json: new { email = user.Email }, headers: ("Accept-Language", language));
    }

    [Fact] // From before a language was kept.
    public async Task Whoever_never_chose_is_written_to_as_the_request_asks_until_they_sign_in_on_a_device_of_theirs()
    {
        var user = await _app.SignUpAsync();
        await _app.DbAsync(db => db.Users.ExecuteUpdateAsync(set => set.SetProperty(u => u.Language, (string?)null)));
        await SignInAsync("/api/users/signin", "curl/8", "de");
        Assert.Equal("Neue Anmeldung bei Gatehouse", (await _app.Mail.LastToAsync(user.Email)).Subject);
        var device = await SignInAsync("/account/sign-in", "a browser", "en");
        Assert.Null(await _app.DbAsync(db => db.Users.Select(u => u.Language).SingleAsync())); // by a device that nobody knows yet
        await SignInAsync("/account/sign-in", "a browser", "de", device);
        await SignInAsync("/account/sign-in", "another browser", "en");
        Assert.Equal("de", await _app.DbAsync(db => db.Users.Select(u => u.Language).SingleAsync()));
        Assert.Equal("Neue Anmeldung bei Gatehouse", (await _app.Mail.LastToAsync(user.Email)).Subject);

        async Task<string> SignInAsync(string path, string agent, string language, string? device = null)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, path)
            {
                Content = path.StartsWith("/api", StringComparison.Ordinal)
                    ? System.Net.Http.Json.JsonContent.Create(new { email = user.Email, password = user.Password })
                    : new FormUrlEncodedContent([new("_handler", "sign-in"), new("email", user.Email), new("password", user.Password)]),
            };
            request.Headers.TryAddWithoutValidation("User-Agent", agent);
            request.Headers.Add("Accept-Language", language);
            if (device is not null) request.Headers.Add("Cookie", device);
            var answer = await _app.Client.SendAsync(request);
            Assert.True((int)answer.StatusCode < 400);
            return answer.Headers.GetValues("Set-Cookie").Last().Split(';')[0];
        }
    }

    [Fact]
    public async Task What_every_reader_shares_names_no_language()
    {
        var page = await (await GetAsync("/", "de")).PageAsync();
        var sheet = await GetAsync(page.QuerySelector("link[rel=stylesheet]")!.GetAttribute("href")!, "de");
        Assert.Equal(HttpStatusCode.OK, sheet.StatusCode);
        Assert.Empty(sheet.Content.Headers.ContentLanguage);
        Assert.DoesNotContain("Accept-Language", sheet.Headers.Vary);
    }

    private Task<HttpResponseMessage> GetAsync(string path, string? accepted) =>
        accepted is null ? _app.SendAsync(HttpMethod.Get, path) : _app.SendAsync(HttpMethod.Get, path, headers: ("Accept-Language", accepted));

    private Task<HttpResponseMessage> ChooseAsync(string language, string returnUrl) =>
        _app.Client.PostAsync("/ui/language", new FormUrlEncodedContent([new("language", language), new("returnUrl", returnUrl)]));
}
