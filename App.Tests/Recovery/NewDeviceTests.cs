using System.Net;
using System.Security.Cryptography;
using App.Data;
using App.Factors;
using App.Mail;
using App.Sessions;
using App.Tests.Accounts;
using App.Tests.Factors;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;

namespace App.Tests.Recovery;

/// <summary>A sign-in from a device that the owner hasn't used, and the owner's own devices under a stranger's guesses.</summary>
public sealed class NewDeviceTests : IAsyncLifetime
{
    private const string Phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

    // Too long for any password: wrong without the price of a hash.
    private static readonly string Wrong = new('x', 2000);
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_new_device_gets_its_owner_a_letter_and_a_known_one_none()
    {
        var user = await _app.SignUpAsync();
        var device = DeviceOf(await PageAsync(user.Email, user.Password, Phone));
        Assert.Contains("Safari on iPhone", (await NewDeviceLettersAsync(user.Email)).Single().Text, StringComparison.Ordinal);
        // The same again, by its cookie, whatever it calls itself now.
        await PageAsync(user.Email, user.Password, "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0", device);
        // The same program at the same address, which keeps no cookies.
        await PageAsync(user.Email, user.Password, Phone);
        Assert.Single(await NewDeviceLettersAsync(user.Email));
        await PageAsync(user.Email, user.Password, "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0", device + "x");
        Assert.Equal(2, (await NewDeviceLettersAsync(user.Email)).Count);
    }

    [Fact]
    public async Task This_was_not_me_ends_everything_with_one_confirmation_and_leads_to_a_new_password()
    {
        var user = await _app.SignUpAsync();
        var thief = await PageAsync(user.Email, user.Password, Phone);
        var (device, stolen) = (DeviceOf(thief), CookiesOf(thief));
        var link = TestMail.LinkIn((await NewDeviceLettersAsync(user.Email)).Single());
        for (var i = 0; i < 2; i++) Assert.NotNull((await (await _app.Client.GetAsync(link)).PageAsync()).QuerySelector("main form button.risk"));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: stolen)); // a look changes nothing

        var answer = await _app.PostFormAsync(link, "not-me", []);
        Assert.StartsWith("/account/reset?token=", answer.Location(), StringComparison.Ordinal);
        Assert.Null(await _app.WhoAmIAsync(cookies: stolen));
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
        Assert.Equal(HttpStatusCode.BadRequest, (await PageAsync(user.Email, user.Password, Phone, device)).StatusCode);

        var changed = await _app.PostFormAsync(answer.Location(), "reset", [new("password", "seven quiet harbours dreaming")]);
        Assert.Equal(HttpStatusCode.SeeOther, changed.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(link, "not-me", [])).StatusCode);
        // The thief's device is a stranger now, should it get in again.
        await PageAsync(user.Email, "seven quiet harbours dreaming", Phone, device);
        Assert.Equal(2, (await NewDeviceLettersAsync(user.Email)).Count);
    }

    [Fact]
    public async Task A_session_disowned_after_it_signed_out_leaves_no_way_in_and_the_owners_device_known()
    {
        const string evil = "Mozilla/5.0 evil";
        var user = await _app.SignUpAsync();
        var own = await PageAsync(user.Email, user.Password, Phone);
        var theirs = await PageAsync(user.Email, user.Password, evil);
        var (session, refresh) = TestUser.SetCookies(theirs);
        var thief = user with { AccessToken = TestUser.Unwrap(session), SessionCookie = session, RefreshToken = refresh };
        var planted = new SoftKey();
        await new PasskeyBrowser(_app).AddAsync(planted, thief);
        await _app.SendAsync(HttpMethod.Post, "/api/account/email", cookies: thief.Cookies, json: new { email = "evil@example.test", password = user.Password });
        var newEmail = TestMail.LinkIn(await _app.Mail.LastToAsync("evil@example.test"));
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{thief.SessionId}", thief.AccessToken);

        var disowned = await _app.PostFormAsync("/account/activity/end", "", [new("id", Assert.Single(await OfferedAsync(), id => id == thief.SessionId.ToString())!)], CookiesOf(own) + "; device=" + DeviceOf(own));
        Assert.Equal("/account/security", disowned.Location());
        Assert.DoesNotContain(thief.SessionId.ToString(), await OfferedAsync());
        Assert.Equal(HttpStatusCode.BadRequest, (await new PasskeyBrowser(_app).SignInAsync(planted)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(newEmail, "new-email", [])).StatusCode);

        var letters = (await NewDeviceLettersAsync(user.Email)).Count;
        await PageAsync(user.Email, user.Password, "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0", DeviceOf(disowned));
        Assert.Equal(letters, (await NewDeviceLettersAsync(user.Email)).Count);
        await PageAsync(user.Email, user.Password, evil, DeviceOf(theirs));
        Assert.Equal(letters + 1, (await NewDeviceLettersAsync(user.Email)).Count);

        async Task<List<string?>> OfferedAsync() =>
            [.. (await (await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: CookiesOf(own))).PageAsync()).QuerySelectorAll("form[action='/account/activity/end'] input[name=id]").Select(i => i.GetAttribute("value"))];
    }

    [Fact] // ATTACKS 92
    public async Task A_stranger_who_locks_the_address_does_not_lock_out_the_owners_own_device()
    {
        var user = await _app.SignUpAsync();
        var device = DeviceOf(await PageAsync(user.Email, user.Password, Phone));
        for (var i = 0; i < 12; i++) await PageAsync(user.Email, Wrong, "Mozilla/5.0 evil");
        Assert.Equal(HttpStatusCode.TooManyRequests, (await PageAsync(user.Email, user.Password, "Mozilla/5.0 evil")).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await PageAsync(user.Email, user.Password, Phone, device + "x")).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await PageAsync(user.Email, user.Password, Phone, device)).StatusCode);
    }

    [Theory] // ATTACKS 92, for a program that keeps cookies
    [InlineData(false)]
    [InlineData(true)] // as lines that are echoed whole
    public async Task Nor_the_owner_whose_client_speaks_JSON(bool echoed)
    {
        var email = $"{Guid.NewGuid():N}@example.test";
        var jar = await JsonAsync("signup", email, TestApp.Password);
        var held = CookieOf(jar);
        var signedOut = await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: held);
        Assert.DoesNotContain(signedOut.Headers.GetValues("Set-Cookie"), line => line.StartsWith("device=", StringComparison.Ordinal));
        for (var i = 0; i < 12; i++) await JsonAsync("signin", email, Wrong);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await JsonAsync("signin", email, TestApp.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await JsonAsync("signin", email, Wrong, held)).StatusCode);
        var signedIn = await JsonAsync("signin", email, TestApp.Password, held);
        Assert.Equal(HttpStatusCode.OK, signedIn.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await JsonAsync("signin", email, TestApp.Password, CookieOf(signedIn))).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await JsonAsync("signin", email, TestApp.Password)).StatusCode);

        string CookieOf(HttpResponseMessage answer) => echoed ? string.Join("; ", answer.Headers.GetValues("Set-Cookie")) : "device=" + DeviceOf(answer);
    }

    [Fact] // what was written before the change says nothing any more
    public async Task Nor_one_who_has_changed_their_password_by_JSON()
    {
        const string changed = "seven lamps along the harbour wall";
        var user = await _app.SignUpAsync();
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/account/password", cookies: user.Cookies, json: new { currentPassword = user.Password, password = changed });
        Assert.Equal(["session", "session_refresh", "device"], answer.Headers.GetValues("Set-Cookie").Select(line => line.Split('=')[0]));
        for (var i = 0; i < 12; i++) await JsonAsync("signin", user.Email, Wrong);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await JsonAsync("signin", user.Email, changed)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await JsonAsync("signin", user.Email, changed, "device=" + DeviceOf(answer))).StatusCode);
    }

    [Fact]
    public async Task A_JSON_client_that_takes_a_second_step_is_known_after_it_and_one_that_is_refused_is_not()
    {
        var user = await _app.SignUpAsync();
        var ada = await _app.TurnOnTwoStepAsync(user);
        Assert.False((await JsonAsync("signin", user.Email, user.Password)).Headers.Contains("Set-Cookie"));
        Assert.False((await JsonAsync("signin", user.Email, Wrong)).Headers.Contains("Set-Cookie"));
        var answer = await ada.AnswerAsync(await ada.ChallengeAsync(), ada.NextCode());
        var device = DeviceOf(answer);
        for (var i = 0; i < 12; i++) await JsonAsync("signin", user.Email, Wrong);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await JsonAsync("signin", user.Email, user.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await JsonAsync("signin", user.Email, user.Password, "device=" + device)).StatusCode);
    }

    [Fact] // ATTACKS 92, for a stranger who knows the password too
    public async Task Nor_does_one_who_locks_the_second_step()
    {
        var user = await _app.SignUpAsync();
        var device = DeviceOf(await PageAsync(user.Email, user.Password, Phone));
        var ada = await _app.TurnOnTwoStepAsync(user);
        for (var i = 0; i < 10; i++) await ada.AnswerAsync(await ada.ChallengeAsync(), "000000");
        Assert.Equal(HttpStatusCode.TooManyRequests, (await CodeAsync(await ada.ChallengeAsync(), ada.NextCode(), null)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await CodeAsync(await ada.ChallengeAsync(), ada.NextCode(), device)).StatusCode);

        // And the device's own wrong codes are counted as anybody's.
        for (var i = 0; i < 10; i++) await CodeAsync(await ada.ChallengeAsync(), "000000", device);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await CodeAsync(await ada.ChallengeAsync(), ada.NextCode(), device)).StatusCode);
    }

    [Fact] // A cookie is no way round the limit.
    public async Task A_known_device_may_guess_no_more_than_anybody()
    {
        var user = await _app.SignUpAsync();
        var device = DeviceOf(await PageAsync(user.Email, user.Password, Phone));
        for (var i = 0; i < 10; i++) Assert.Equal(HttpStatusCode.BadRequest, (await PageAsync(user.Email, Wrong, Phone, device)).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await PageAsync(user.Email, Wrong, Phone, device)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await PageAsync(user.Email, user.Password, Phone)).StatusCode);
    }

    [Fact] // Or a thief's browser would have guesses of its own for as long as it keeps its cookie.
    public async Task After_a_new_password_a_former_cookie_counts_with_the_strangers()
    {
        var user = await _app.SignUpAsync();
        var former = DeviceOf(await PageAsync(user.Email, user.Password, Phone));
        var changed = await _app.SendAsync(HttpMethod.Post, "/api/account/password", user.AccessToken, json: new { currentPassword = user.Password, password = "seven quiet harbours dreaming" });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        var fresh = DeviceOf(await PageAsync(user.Email, "seven quiet harbours dreaming", Phone, former));
        for (var i = 0; i < 10; i++) await PageAsync(user.Email, Wrong, Phone, former);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await PageAsync(user.Email, Wrong, "Mozilla/5.0 evil")).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await PageAsync(user.Email, "seven quiet harbours dreaming", Phone, fresh)).StatusCode);
    }

    [Fact]
    public async Task The_cookie_names_nobody_and_is_of_use_for_its_own_address_alone()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var answer = await PageAsync(ada.Email, ada.Password, Phone);
        var line = answer.Headers.GetValues("Set-Cookie").Single(l => l.StartsWith("device=", StringComparison.Ordinal));
        Assert.Contains("; httponly", line, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("; samesite=lax", line, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(ada.Id.ToString(), line, StringComparison.OrdinalIgnoreCase);
        for (var i = 0; i < 10; i++) await PageAsync(bob.Email, Wrong, Phone, DeviceOf(answer));
        Assert.Equal(HttpStatusCode.TooManyRequests, (await PageAsync(bob.Email, bob.Password, Phone, DeviceOf(answer))).StatusCode);
    }

    [Fact] // How long it takes is no answer to whether there is such a person.
    public void A_cookie_is_read_whoever_the_address_belongs_to()
    {
        var protection = new CountedReads();
        var devices = new KnownDevices(null!, null!, protection, _app.Get<CookieNames>());
        var http = new DefaultHttpContext { RequestServices = _app.Services };
        http.Request.Headers.Cookie = "device=abcd";
        devices.GuessesOf(Client.Of(http), "key", null);
        devices.GuessesOf(Client.Of(http), "key", new User { NormalizedEmail = "ada@example.test" });
        Assert.Equal(2, protection.Reads);
    }

    private async Task<List<Letter>> NewDeviceLettersAsync(string email) => [.. (await _app.Mail.ToAsync(email)).Where(l => l.Subject.StartsWith("New sign-in", StringComparison.Ordinal))];

    private async Task<HttpResponseMessage> PageAsync(string email, string password, string agent, string? device = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/account/sign-in")
        {
            Content = new FormUrlEncodedContent([new("_handler", "sign-in"), new("email", email), new("password", password)]),
        };
        request.Headers.TryAddWithoutValidation("User-Agent", agent);
        if (device is not null) request.Headers.TryAddWithoutValidation("Cookie", "device=" + device);
        return await _app.Client.SendAsync(request);
    }

    private Task<HttpResponseMessage> JsonAsync(string verb, string email, string password, string? cookies = null) =>
        _app.SendAsync(HttpMethod.Post, "/api/users/" + verb, cookies: cookies, json: new { email, password });

    private Task<HttpResponseMessage> CodeAsync(string challenge, string code, string? device) =>
        _app.PostFormAsync("/account/sign-in", "second-step", [new("challenge", challenge), new("code", code)], device is null ? null : "device=" + device);

    private static string DeviceOf(HttpResponseMessage answer) =>
        answer.Headers.GetValues("Set-Cookie").Single(l => l.StartsWith("device=", StringComparison.Ordinal))["device=".Length..].Split(';')[0];

    private static string CookiesOf(HttpResponseMessage answer) =>
        string.Join("; ", answer.Headers.GetValues("Set-Cookie").Where(l => l.StartsWith("session", StringComparison.Ordinal)).Select(l => l.Split(';')[0]));

    private sealed class CountedReads : IDataProtectionProvider, IDataProtector
    {
        public int Reads { get; private set; }

        public IDataProtector CreateProtector(string purpose) => this;

        public byte[] Protect(byte[] plaintext) => plaintext;

        public byte[] Unprotect(byte[] protectedData)
        {
            Reads++;
            throw new CryptographicException();
        }
    }
}
