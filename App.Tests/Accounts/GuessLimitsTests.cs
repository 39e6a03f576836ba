using System.Globalization;
using System.Net;
using System.Text.Json;
using App.Accounts;
using App.Admin;
using App.Audit;
using App.Data;
using App.Tests.Admin;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Accounts;

/// <summary>Wrong passwords: ten are judged, then each further one waits longer, whoever the address belongs to. ATTACKS, group BF.</summary>
public sealed class GuessLimitsTests : IAsyncLifetime
{
    private const string Wrong = "not the password of anybody";
    private static readonly TimeSpan Instant = TimeSpan.FromSeconds(1);
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory] // ATTACKS 89
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_tenth_wrong_password_locks_and_each_further_one_for_longer_known_or_not(bool known)
    {
        var email = known ? (await _app.SignUpAsync()).Email : "nobody@example.test";
        for (var i = 0; i < 10; i++) await Answers.AssertProblemAsync(await GuessAsync(email), 400, "Invalid credentials");

        foreach (var minutes in new[] { 1, 2, 4, 8, 16, 32, 60, 60 })
        {
            await LockedAsync(email, minutes * 60);
            await WaitAsync(TimeSpan.FromMinutes(minutes) - Instant);
            await LockedAsync(email, 1);
            await WaitAsync(Instant);
            await Answers.AssertProblemAsync(await GuessAsync(email), 400, "Invalid credentials");
        }
    }

    [Fact] // ATTACKS 89
    public async Task The_right_password_waits_too_then_works_and_starts_the_count_anew()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 10; i++) await GuessAsync(user.Email);
        await LockedAsync(user.Email, 60, user.Password);

        await WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.OK, (await GuessAsync(user.Email, user.Password)).StatusCode);
        for (var i = 0; i < 10; i++) await Answers.AssertProblemAsync(await GuessAsync(user.Email), 400, "Invalid credentials");
        await LockedAsync(user.Email, 60);
    }

    [Fact]
    public async Task The_right_password_as_the_tenth_guess_is_right()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 9; i++) await GuessAsync(user.Email);
        Assert.Equal(HttpStatusCode.OK, (await GuessAsync(user.Email, user.Password)).StatusCode);
        Assert.Equal(0, await _app.DbAsync(db => db.Set<GuessLimit>().CountAsync()));
    }

    [Fact]
    public async Task A_quarter_of_an_hour_without_a_guess_gives_ten_new_ones()
    {
        for (var i = 0; i < 9; i++) await GuessAsync("nobody@example.test");
        await WaitAsync(TimeSpan.FromMinutes(15));
        for (var i = 0; i < 10; i++) await Answers.AssertProblemAsync(await GuessAsync("nobody@example.test"), 400, "Invalid credentials");
        await LockedAsync("nobody@example.test", 60);
    }

    [Fact] // ATTACKS 89, 226
    public async Task After_a_lock_and_a_quiet_quarter_of_an_hour_the_next_ten_lock_again_and_few_rows_tell_of_it()
    {
        var user = await _app.SignUpAsync();
        foreach (var minutes in new[] { 1, 2, 4 })
        {
            for (var i = 0; i < 10; i++) await Answers.AssertProblemAsync(await GuessAsync(user.Email), 400, "Invalid credentials");
            await LockedAsync(user.Email, minutes * 60);
            await WaitAsync(TimeSpan.FromMinutes(minutes + 15));
        }

        var told = await _app.DbAsync(db => db.Audit.Where(a => a.UserId == user.Id && a.SessionId == null && a.Action != "signed-up").OrderBy(a => a.Id).Select(a => a.Action).ToListAsync());
        Assert.Equal(Enumerable.Repeat(new[] { GuessLimits.Refused, GuessLimits.LockedOut }, 3).SelectMany(a => a), told);
    }

    [Fact] // ATTACKS 89, 82, 92
    public async Task A_hundred_in_a_row_end_it_however_long_they_took_but_for_a_known_device_and_a_new_password()
    {
        var user = await _app.SignUpAsync();
        using var signedIn = await GuessAsync(user.Email, user.Password);
        var device = Answers.CookieLines(signedIn).Single(line => line.StartsWith("device=", StringComparison.Ordinal)).Split(';')[0];
        string[] addresses = [user.Email, "nobody@example.test"];
        foreach (var before in new[] { 0, 90 }) // by day and night, ten at a time
        {
            await WaitAsync(TimeSpan.FromHours(23)); // longer than any lock, and no day without a guess
            await _app.DbAsync(db => db.Set<GuessLimit>().Where(g => g.InARow == 10).ExecuteUpdateAsync(set => set.SetProperty(g => g.InARow, before)));
            foreach (var address in addresses)
                for (var i = 0; i < 10; i++) await Answers.AssertProblemAsync(await GuessAsync(address), 400, "Invalid credentials");
        }

        await WaitAsync(TimeSpan.FromDays(30));
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        foreach (var address in addresses) await LockedAsync(address, 24 * 3600, user.Password);
        using var page = await _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", user.Email), new("password", user.Password)]);
        Assert.Contains("trying again later won’t help", (await page.PageAsync()).QuerySelector("main")!.TextContent, StringComparison.Ordinal);
        var told = await _app.DbAsync(db => db.Audit.Where(a => a.UserId == user.Id && a.Action == GuessLimits.LockedOut).OrderByDescending(a => a.Id).Select(a => a.Detail).FirstAsync());
        Assert.StartsWith("pwd 86400", told, StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: device, json: new { email = user.Email, password = user.Password })).StatusCode);
        await _app.PostTextAsync("/api/users/forgot", $$"""{"email":"{{user.Email}}"}""");
        var token = TestMail.TokenIn(await _app.Mail.LastToAsync(user.Email));
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/reset", json: new { token, password = "seven quiet harbours dreaming" })).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await GuessAsync(user.Email, "seven quiet harbours dreaming")).StatusCode);
    }

    [Fact] // ATTACKS 89: nine at a time, which lock nothing, and a day's pause after them
    public async Task A_series_goes_on_from_day_to_day()
    {
        await _app.SignUpAsync("ada@example.test");
        foreach (var before in new[] { 0, 91 })
        {
            await _app.DbAsync(db => db.Set<GuessLimit>().Where(g => g.InARow == 9).ExecuteUpdateAsync(set => set.SetProperty(g => g.InARow, before)));
            for (var i = 0; i < 9; i++) await Answers.AssertProblemAsync(await GuessAsync("ada@example.test"), 400, "Invalid credentials");
            await WaitAsync(TimeSpan.FromHours(25));
            await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        }

        await LockedAsync("ada@example.test", 24 * 3600);
    }

    [Fact]
    public async Task What_strangers_tried_at_an_address_is_not_held_against_who_signs_up_with_it_later()
    {
        await HundredAsync("late@example.test");
        var user = await _app.SignUpAsync("late@example.test");
        Assert.Equal(HttpStatusCode.OK, (await GuessAsync(user.Email, user.Password)).StatusCode);
    }

    [Fact]
    public async Task Unlocked_by_an_admin_is_unlocked_whoever_locked_it()
    {
        var user = await _app.SignUpAsync();
        await HundredAsync(user.Email);
        await LockedAsync(user.Email, 24 * 3600, user.Password);
        Assert.Equal(LockAccount.Outcome.Done, await _app.ScopedAsync((LockAccount account) => account.RunAsync(user.Email, locked: false, CancellationToken.None)));
        Assert.Equal(HttpStatusCode.OK, (await GuessAsync(user.Email, user.Password)).StatusCode);
    }

    [Fact] // Nine, a lift, nine more: nothing is ever locked, and without this row nobody would learn of it.
    public async Task An_admin_who_takes_wrong_guesses_back_is_written_down_and_nobody_where_there_are_none()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.LockAsync(admin, user, locked: false);
        Assert.Empty(await LiftsAsync());
        for (var lift = 1; lift <= 2; lift++)
        {
            for (var i = 0; i < 9; i++) await GuessAsync(user.Email);
            for (var i = 0; i < 2; i++) await _app.LockAsync(admin, user, locked: false);
            Assert.Equal(Enumerable.Repeat($"{admin.Id} guesses", lift), (await LiftsAsync()).Select(a => $"{a.ActorId} {a.Detail}"));
        }

        using var page = await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: user.Cookies);
        Assert.Contains("Lock on wrong guesses lifted by an administrator", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        Task<List<AuditEntry>> LiftsAsync() => _app.DbAsync(db => db.Audit.AsNoTracking().Where(a => a.UserId == user.Id && a.Action == "account-unlocked").ToListAsync());
    }

    private async Task HundredAsync(string email)
    {
        await GuessAsync(email);
        await _app.DbAsync(db => db.Set<GuessLimit>().ExecuteUpdateAsync(set => set.SetProperty(g => g.InARow, 99)));
        await GuessAsync(email);
        await LockedAsync(email, 24 * 3600);
    }

    [Fact]
    public async Task All_doors_count_together_and_every_spelling_of_the_address_is_one()
    {
        var user = await _app.SignUpAsync("Ada.Lovelace@Example.test");
        for (var i = 0; i < 10; i++)
        {
            using var answer = (i % 3) switch
            {
                0 => await GuessAsync(i % 2 == 0 ? user.Email : user.Email.ToUpperInvariant()),
                1 => await _app.PostTextAsync("/api/tokens", Body(user.Email, Wrong)),
                _ => await _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", "ada.lovelace@example.test"), new("password", Wrong)]),
            };
            Assert.True(answer.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Unauthorized, answer.StatusCode.ToString());
        }

        await LockedAsync(user.Email, 60);
        using var tokens = await _app.PostTextAsync("/api/tokens", Body(user.Email, user.Password));
        await Answers.AssertProblemAsync(tokens, 429, "Too many attempts. Try again later.");
        using var page = await _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", user.Email), new("password", user.Password)]);
        Assert.Equal(HttpStatusCode.TooManyRequests, page.StatusCode);
        Assert.Equal("60", Assert.Single(page.Headers.GetValues("Retry-After")));
        Assert.Empty(Answers.CookieLines(page));
    }

    [Fact] // ATTACKS 91
    public async Task One_password_tried_on_many_accounts_locks_none_of_them()
    {
        await using var app = TestApp.Start(("RateLimits:PerAddressPerMinute", "15"));
        for (var i = 0; i < 15; i++) await Answers.AssertProblemAsync(await GuessAsync($"spray-{i}@example.test", app: app), 400, "Invalid credentials");
        for (var i = 15; i < 20; i++) await Answers.AssertProblemAsync(await GuessAsync($"spray-{i}@example.test", app: app), 429, "Too many attempts. Try again later.");
        Assert.Equal((15, 0), await app.DbAsync(async db => (await db.Set<GuessLimit>().CountAsync(), await db.Set<GuessLimit>().CountAsync(g => g.LockedUntil != null))));
    }

    [Theory] // ATTACKS 90
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task Of_two_hundred_guesses_at_once_ten_are_judged(bool known, bool twoReplicas)
    {
        // Another spelling of the connection: the two share the file and nothing else, as processes do.
        await using var replica = _app.StartReplica(("ConnectionStrings:Default", $"Data Source={Path.Combine(_app.Folder, "gatehouse.db")};Default Timeout=6"));
        var email = known ? (await _app.SignUpAsync()).Email : "nobody@example.test";

        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(() => GuessInBurstAsync(email, Wrong, twoReplicas && i % 2 == 1 ? replica : _app))));

        Assert.Equal([(HttpStatusCode.BadRequest, 10), (HttpStatusCode.TooManyRequests, 190)], answers.GroupBy(a => a.StatusCode).Select(g => (g.Key, g.Count())).Order());
        foreach (var refused in answers.Where(a => a.StatusCode == HttpStatusCode.TooManyRequests)) Assert.Equal("60", Assert.Single(refused.Headers.GetValues("Retry-After")));
        Assert.Equal(10, (await _app.DbAsync(db => db.Set<GuessLimit>().SingleAsync())).Failures);
    }

    [Fact] // ATTACKS 90: a right guess among them
    public async Task A_right_guess_in_a_burst_of_wrong_ones_opens_no_more_than_a_count_anew()
    {
        var user = await _app.SignUpAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(() => GuessInBurstAsync(user.Email, i == 5 ? user.Password : Wrong, _app))));
        Assert.All(answers, a => Assert.Contains(a.StatusCode, new[] { HttpStatusCode.OK, HttpStatusCode.BadRequest, HttpStatusCode.TooManyRequests }));
        Assert.InRange(answers.Count(a => a.StatusCode == HttpStatusCode.OK), 0, 1);
        // Ten; and where the right one came to its turn, nine before it, and as many as were under way then.
        Assert.InRange(answers.Count(a => a.StatusCode == HttpStatusCode.BadRequest), 10, answers.Any(a => a.StatusCode == HttpStatusCode.OK) ? 28 : 10);
        await LockedAsync(user.Email, 60, user.Password);
    }

    [Fact] // ATTACKS 90: and right ones never count
    public async Task A_burst_of_right_passwords_signs_in_and_leaves_no_count()
    {
        var user = await _app.SignUpAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => GuessAsync(user.Email, user.Password))));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.Equal(HttpStatusCode.OK, (await GuessAsync(user.Email, user.Password)).StatusCode);
        Assert.Equal(0, await _app.DbAsync(db => db.Set<GuessLimit>().CountAsync()));
    }

    [Fact]
    public async Task The_address_is_kept_as_a_keyed_hash_alone()
    {
        await GuessAsync("secret.person@example.test");
        Assert.DoesNotContain("secret.person", await State.TextAsync(_app), StringComparison.OrdinalIgnoreCase);
    }

    [Theory] // ATTACKS 226
    [InlineData(13, 1)]
    [InlineData(15, 0)]
    public async Task A_count_is_forgotten_after_a_fortnight(int days, int left)
    {
        await GuessAsync("nobody@example.test");
        await WaitAsync(TimeSpan.FromDays(days));
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Equal(left, await _app.DbAsync(db => db.Set<GuessLimit>().CountAsync()));
    }

    private Task<HttpResponseMessage> GuessAsync(string email, string password = Wrong, TestApp? app = null) => (app ?? _app).PostTextAsync("/api/users/signin", Body(email, password));

    // Who has waited in vain for two hundred other writers was neither judged nor counted.
    private Task<HttpResponseMessage> GuessInBurstAsync(string email, string password, TestApp app) => app.PatientlyAsync(() => GuessAsync(email, password, app));

    // Puts the count into the past instead of the clock into the future: every timer of the app would tick its way through the hours.
    private Task<int> WaitAsync(TimeSpan time) => _app.DbAsync(async db =>
    {
        foreach (var limit in await db.Set<GuessLimit>().ToListAsync())
        {
            limit.LastAt -= time;
            if (limit.LockedUntil < DateTimeOffset.MaxValue) limit.LockedUntil -= time;
        }

        return await db.SaveChangesAsync();
    });

    private async Task LockedAsync(string email, int seconds, string password = Wrong)
    {
        using var answer = await GuessAsync(email, password);
        await Answers.AssertProblemAsync(answer, 429, seconds == (int)GuessLimits.ForGood.TotalSeconds
            ? "Too many wrong attempts in a row: trying again later doesn't help. Use another way in."
            : "Too many attempts. Try again later.");
        Assert.Equal(seconds.ToString(CultureInfo.InvariantCulture), Assert.Single(answer.Headers.GetValues("Retry-After")));
        Assert.Empty(Answers.CookieLines(answer));
    }

    private static string Body(string email, string password) => JsonSerializer.Serialize(new { email, password });
}
