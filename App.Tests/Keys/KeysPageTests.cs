using System.Net;
using AngleSharp.Dom;
using App.Events;
using App.Keys;
using App.Sessions;
using App.Tests.Accounts;
using App.Tests.Admin;
using App.Tests.Attacks;
using App.Tokens;
using App.Ui;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Keys;

/// <summary>The operator's page about signing keys, as a browser without script meets it.</summary>
public sealed class KeysPageTests : IAsyncLifetime
{
    private const string Here = "/admin/keys";
    private readonly TestApp _app = TestApp.Start();
    private TestUser _admin = null!;

    public async Task InitializeAsync()
    {
        _admin = await _app.NewAdminAsync();
        // They came with the database, by the clock on the wall.
        var now = _app.Time.GetUtcNow();
        await _app.DbAsync(db => db.SigningKeys.ExecuteUpdateAsync(set => set.SetProperty(k => k.CreatedAt, now).SetProperty(k => k.ActivatedAt, k => k.ActivatedAt == null ? null : now)));
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task It_is_for_admins_and_says_what_each_key_is_for_and_when_that_changes()
    {
        var user = await _app.SignUpAsync();
        Assert.StartsWith("/account/sign-in?returnUrl=", (await _app.SendAsync(HttpMethod.Get, Here)).Location(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, Here, cookies: user.Cookies)).StatusCode);

        var (first, second) = (await IdAsync(SigningKeyState.Current), await IdAsync(SigningKeyState.Next));
        await AdvanceAsync(TimeSpan.FromDays(3));
        var page = await PageAsync();
        Assert.Equal(Here, page.QuerySelector(".side [aria-current=page]")!.GetAttribute("href"));
        Assert.Contains(TestApp.Issuer + "/.well-known/jwks.json", page.QuerySelector(".facts")!.TextContent, StringComparison.Ordinal);
        Assert.Contains("after 30 days, next in 27 days", page.QuerySelector(".facts")!.TextContent, StringComparison.Ordinal);
        Assert.Equal([first, second], Names(page));
        Says(page, first, "Current", "Signs every new token.", "Began to sign 3 days ago", "Will be replaced in 27 days");
        Says(page, second, "Next", "Takes over in 27 days");
        Assert.NotNull(page.QuerySelector(".empty"));

        await PostAsync("rotate", ("seen", first));
        var third = await IdAsync(SigningKeyState.Next);
        await PostAsync("revoke", ("id", third));
        await AdvanceAsync(TimeSpan.FromMinutes(10));
        page = await PageAsync();
        Assert.Equal([second, await IdAsync(SigningKeyState.Next), first, third], Names(page));
        Says(page, first, "Retired", "Its tokens are still accepted", "Retired 10 minutes ago", "Leaves the key set in 50 minutes");
        Says(page, third, "Revoked", "Every token of it is refused", "Revoked 10 minutes ago");
        Assert.Null(Row(page, third).QuerySelector("dialog"));
        Assert.Null(page.QuerySelector(".empty"));

        await AdvanceAsync(TimeSpan.FromHours(1));
        page = await PageAsync();
        Says(page, first, "Retired", "has expired");
        Assert.Null(Row(page, first).QuerySelector("dialog")); // nothing to revoke
        Assert.DoesNotContain(first, await (await _app.Client.GetAsync("/.well-known/jwks.json")).Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rotation_posted_twice_happens_once_and_the_second_answer_says_so()
    {
        var (seen, next) = (await IdAsync(SigningKeyState.Current), await IdAsync(SigningKeyState.Next));
        var form = (await PageAsync()).QuerySelector("dialog#rotate")!;
        Assert.Equal(seen, form.QuerySelector("input[name=seen]")!.GetAttribute("value"));
        Assert.Contains("nobody is signed out", form.TextContent, StringComparison.Ordinal);
        Assert.Contains("published only just now", form.TextContent, StringComparison.Ordinal);

        Assert.Contains($"Key {next} signs from now on", Said(await PostAsync("rotate", ("seen", seen))), StringComparison.Ordinal);
        Assert.Null((await PageAsync()).QuerySelector(".notice"));
        Assert.Contains("Nothing more was done", Said(await PostAsync("rotate", ("seen", seen))), StringComparison.Ordinal);
        Assert.Equal(next, await IdAsync(SigningKeyState.Current));
        foreach (var act in new[] { "rotate", "nonsense", "" }) Assert.Null((await PostAsync(act)).QuerySelector(".notice"));
        Assert.Equal(1, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.KeyId != null)));
    }

    [Fact]
    public async Task Ten_admins_who_rotate_the_same_key_at_once_rotate_it_once()
    {
        var seen = await IdAsync(SigningKeyState.Current);
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => _app.PostFormAsync(Here, "keys", [new("act", "rotate"), new("seen", seen)], _admin.Cookies)));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.SeeOther, a.StatusCode));
        var said = await Task.WhenAll(answers.Select(async a => Said(await _app.FollowAsync(a, _admin.Cookies))));
        Assert.Single(said, s => s.Contains("signs from now on", StringComparison.Ordinal));
        Assert.Equal(1, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.KeyId != null)));
    }

    [Fact]
    public async Task The_current_key_is_revoked_and_whoever_asks_it_stays_signed_in_with_the_next()
    {
        var user = await _app.SignUpAsync();
        var (current, next) = (await IdAsync(SigningKeyState.Current), await IdAsync(SigningKeyState.Next));
        var dialog = Row(await PageAsync(), current).QuerySelector("dialog")!;
        Assert.All([current, "The next key signs at once", "People stay signed in", "client credentials", "can’t be undone"], words => Assert.Contains(words, dialog.TextContent, StringComparison.Ordinal));
        Assert.Equal(Row(dialog.Owner!, current).QuerySelector("button[popovertarget]")!.GetAttribute("aria-label"), "Revoke " + current);

        var said = Said(await PostAsync("revoke", ("id", current)));
        Assert.Contains($"Key {current} is revoked", said, StringComparison.Ordinal);
        Assert.Contains($"Key {next} signs now", said, StringComparison.Ordinal);
        // What the dialog says of people.
        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
        Assert.Equal(_admin.Email, await _app.WhoAmIAsync(cookies: _admin.Cookies));

        _admin = await _app.SignInAsync(_admin);
        Assert.Contains("Nothing was done", Said(await PostAsync("revoke", ("id", current))), StringComparison.Ordinal);
        Assert.Contains("Nothing was done", Said(await PostAsync("revoke", ("id", "no key's"))), StringComparison.Ordinal);
        Assert.Equal((next, 1), (await IdAsync(SigningKeyState.Current), await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.KeyId != null))));
    }

    [Fact]
    public async Task The_question_says_what_it_costs_and_that_a_rotation_has_just_been()
    {
        for (var i = 0; i < 2; i++) await _app.SignUpAsync();
        await AdvanceAsync(TimeSpan.FromDays(2));
        _admin = await _app.SignInAsync(_admin);
        var (first, second) = (await IdAsync(SigningKeyState.Current), await IdAsync(SigningKeyState.Next));
        var asked = Row(await PageAsync(), first).QuerySelector("dialog")!.TextContent;
        var alive = await _app.DbAsync(db => db.Sessions.CountAsync(s => s.RevokedAt == null));
        Assert.Contains($"Sessions alive: {alive}.", asked, StringComparison.Ordinal);
        var facts = _app.Get<TokenFacts>();
        Assert.Contains($"would be good until {When.Exact(_app.Time.GetUtcNow() + facts.AliveFor(facts.Lifetime))}", asked, StringComparison.Ordinal);
        Assert.All(["Tokens of the key before it", "published only"], words => Assert.DoesNotContain(words, asked, StringComparison.Ordinal));

        await PostAsync("rotate", ("seen", first));
        var page = await PageAsync();
        asked = Row(page, second).QuerySelector("dialog")!.TextContent;
        Assert.All(["It began to sign just now", "Tokens of the key before it", "was published only just now"], words => Assert.Contains(words, asked, StringComparison.Ordinal));
        Assert.Contains($"would be good until {When.Exact(_app.Time.GetUtcNow() + facts.AliveFor(facts.Lifetime))}", Row(page, first).QuerySelector("dialog")!.TextContent, StringComparison.Ordinal);
        await AdvanceAsync(facts.AliveFor(facts.Lifetime));
        Assert.DoesNotContain("It began to sign", Row(await PageAsync(), second).QuerySelector("dialog")!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_next_key_is_revoked_without_a_token_refused()
    {
        var (current, next) = (await IdAsync(SigningKeyState.Current), await IdAsync(SigningKeyState.Next));
        var dialog = Row(await PageAsync(), next).QuerySelector("dialog")!;
        Assert.Contains("no token is refused", dialog.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain("client credentials", dialog.TextContent, StringComparison.Ordinal);
        Assert.Equal($"Key {next} is revoked. Every token of it is refused.", Said(await PostAsync("revoke", ("id", next))));
        Assert.Equal(current, await IdAsync(SigningKeyState.Current));
        Assert.Equal(_admin.Email, await _app.WhoAmIAsync(bearer: _admin.AccessToken));
    }

    [Fact]
    public async Task An_admin_who_is_none_any_more_is_told_so_and_changes_nothing()
    {
        var (seen, other) = (await IdAsync(SigningKeyState.Current), await _app.NewAdminAsync());
        await _app.GrantAsync(other, granted: false);
        foreach (var act in new[] { "rotate", "revoke" })
            Assert.Equal(HttpStatusCode.Forbidden, (await _app.PostFormAsync(Here, "keys", [new("act", act), new("seen", seen), new("id", seen)], other.Cookies)).StatusCode);
        Assert.Equal(seen, await IdAsync(SigningKeyState.Current));
    }

    [Fact]
    public async Task In_migration_mode_the_page_says_that_these_keys_rest()
    {
        await using var app = TestApp.Start(("Tokens:SharedSecret", "a secret of at least thirty-two characters"));
        var admin = await app.NewAdminAsync();
        var page = await (await app.SendAsync(HttpMethod.Get, Here, cookies: admin.Cookies)).PageAsync();
        Assert.Contains("Migration mode", page.QuerySelector(".notice.wait")!.TextContent, StringComparison.Ordinal);
        Assert.Null(page.QuerySelector("dialog"));
        var refused = await app.PostFormAsync(Here, "keys", [new("act", "rotate"), new("seen", "any")], admin.Cookies); // of a page from before the restart
        Assert.Contains("Migration mode", Assert.Single((await refused.PageAsync()).Faults()), StringComparison.Ordinal);
    }

    [Fact] // No token is signed by them; what others believe of a key can still be taken away.
    public async Task In_migration_mode_a_rotation_is_refused_and_a_revocation_is_not()
    {
        await using var shared = _app.StartReplica(("Tokens:SharedSecret", "a secret of at least thirty-two characters"));
        var (current, admin) = (await IdAsync(SigningKeyState.Current), await shared.SignInAsync(_admin));
        var problem = await Answers.AssertProblemAsync(await shared.SendAsync(HttpMethod.Post, "/api/admin/keys/rotate", admin.AccessToken), 409, "Tokens are signed with Tokens:SharedSecret. There is nothing to rotate until that setting is gone.");
        Assert.Equal("shared_secret", problem.GetProperty("code").GetString());
        await using var output = new StringWriter();
        Assert.Equal(1, await KeyCommands.RunAsync(shared.Services, ["rotate"], output, CancellationToken.None));
        Assert.Contains("Tokens:SharedSecret", output.ToString(), StringComparison.Ordinal);
        Assert.Equal((current, 0), (await IdAsync(SigningKeyState.Current), await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.KeyId != null))));

        Assert.Equal(HttpStatusCode.OK, (await shared.SendAsync(HttpMethod.Post, $"/api/admin/keys/{current}/revoke", admin.AccessToken)).StatusCode);
        await _app.Get<SigningKeyRing>().LoadAsync();
        Assert.Null(await _app.WhoAmIAsync(bearer: _admin.AccessToken));
    }

    [Fact]
    public async Task What_the_page_says_of_the_schedule_is_what_the_schedule_does()
    {
        var schedule = _app.Get<RotateOnSchedule>();
        var current = await IdAsync(SigningKeyState.Current);
        await AdvanceAsync(TimeSpan.FromDays(29.5));
        await PostAsync("revoke", ("id", await IdAsync(SigningKeyState.Next)));
        // Old enough in half a day, but the new next one must be known for a day.
        Assert.Equal(_app.Time.GetUtcNow() + TimeSpan.FromDays(1), await DueAsync());
        _app.Time.Advance(TimeSpan.FromDays(1) - TimeSpan.FromSeconds(1));
        await schedule.RunOnceAsync(CancellationToken.None);
        Assert.Equal(current, await IdAsync(SigningKeyState.Current));
        await AdvanceAsync(TimeSpan.FromSeconds(1));
        await schedule.RunOnceAsync(CancellationToken.None);
        Assert.NotEqual(current, await IdAsync(SigningKeyState.Current));

        async Task<DateTimeOffset?> DueAsync() => (await _app.ScopedAsync((ManageKeys manage) => manage.ListAsync(CancellationToken.None))).Single(k => k.Id == current).DueAt;
    }

    private static string Said(IDocument page) => page.QuerySelector(".notice")?.TextContent ?? "";

    private static List<string> Names(IDocument page) => [.. page.QuerySelectorAll(".list b").Select(b => b.TextContent)];

    private static IElement Row(IDocument page, string key) => page.QuerySelectorAll(".list > li").Single(li => li.QuerySelector("b")!.TextContent == key);

    private static void Says(IDocument page, string key, params string[] words)
    {
        var text = string.Join(' ', Row(page, key).QuerySelector("div")!.TextContent.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.All(words, w => Assert.Contains(w, text, StringComparison.Ordinal));
    }

    private Task<string> IdAsync(SigningKeyState state) => _app.DbAsync(db => db.SigningKeys.Where(k => k.State == state).Select(k => k.Id).SingleAsync());

    // And signs in anew: who comes back with a refresh token that was used a while ago is taken for a thief.
    private async Task AdvanceAsync(TimeSpan time)
    {
        _app.Time.Advance(time);
        _admin = await _app.SignInAsync(_admin);
    }

    private async Task<IDocument> PageAsync()
    {
        var answer = await _app.SendAsync(HttpMethod.Get, Here, cookies: _admin.Cookies);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.PageAsync();
    }

    private async Task<IDocument> PostAsync(string act, params (string Name, string Value)[] fields)
    {
        var answer = await _app.PostFormAsync(Here, "keys", fields.Append((Name: "act", Value: act)).Select(f => KeyValuePair.Create(f.Name, f.Value)), _admin.Cookies);
        Assert.Equal((HttpStatusCode.SeeOther, Here), (answer.StatusCode, answer.Location()));
        return await _app.FollowAsync(answer, _admin.Cookies);
    }
}
