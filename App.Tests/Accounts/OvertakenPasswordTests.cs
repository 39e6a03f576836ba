using System.Net;
using App.Accounts;
using App.Audit;
using App.Passwords;
using App.Sessions;
using App.Tests.Attacks;
using App.Tests.Passwords;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Accounts;

/// <summary>A password that stops being right while it is being compared opens nothing any more.</summary>
public sealed class OvertakenPasswordTests : IAsyncLifetime
{
    private readonly ManualResetEventSlim _gate = new();
    private readonly TestApp _app = TestApp.Start(("Passwords:HashingThreads", "1"));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _gate.Set();
        await _app.DisposeAsync();
        _gate.Dispose();
    }

    [Theory]
    [InlineData("/api/users/signin")]
    [InlineData("/api/account/password")]
    [InlineData("/api/account/email")]
    [InlineData("/api/account/delete")]
    [InlineData("/api/account/data")]
    public async Task Whoever_proves_themselves_by_the_old_password_is_refused(string path)
    {
        var user = await _app.SignUpAsync();
        var notMe = await _app.NotMeLinkAsync(user);
        var busy = await _app.KeepHashingAsync(_gate);
        var body = new { email = path.EndsWith("/email", StringComparison.Ordinal) ? "evil@example.test" : user.Email, password = path.EndsWith("/password", StringComparison.Ordinal) ? "seven quiet harbours dreaming" : user.Password, currentPassword = user.Password };
        var asked = _app.SendAsync(HttpMethod.Post, path, path.StartsWith("/api/account", StringComparison.Ordinal) ? user.AccessToken : null, json: body);
        while (_app.Get<HashingThreads>().Waiting == 0) await Task.Delay(5);

        Assert.StartsWith("/account/reset", (await _app.PostFormAsync(notMe, "not-me", [])).Location(), StringComparison.Ordinal);
        var before = await State.OfAsync(_app, "Audit", "sqlite_sequence");
        _gate.Set();
        await busy;
        await Answers.AssertProblemAsync(await asked, 400, "Invalid credentials");
        Assert.Equal(before, await State.OfAsync(_app, "Audit", "sqlite_sequence"));
        if (path == "/api/users/signin") Assert.Equal([1], await _app.DbAsync(db => db.Set<GuessLimit>().Where(g => g.Failures > 0).Select(g => g.Failures).ToListAsync()));
        Assert.False(await _app.DbAsync(db => db.Sessions.AnyAsync(s => s.RevokedAt == null)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // which is the same password, hashed anew
    public async Task Nor_does_it_prove_anything_in_a_session_that_its_owner_lets_live(bool rehashed)
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        Assert.Equal(user.Password, other.Password);
        if (!rehashed) await _app.SendAsync(HttpMethod.Post, "/api/account/password", other.AccessToken, json: new { currentPassword = other.Password, password = "seven quiet harbours dreaming" });
        var busy = await _app.KeepHashingAsync(_gate);
        var asked = _app.SendAsync(HttpMethod.Post, "/api/sessions/current/proof", user.AccessToken, json: new { password = user.Password });
        while (_app.Get<HashingThreads>().Waiting == 0) await Task.Delay(5);

        await _app.DbAsync(db => db.Users.Where(u => u.Id == user.Id).ExecuteUpdateAsync(set => set.SetProperty(u => u.PasswordHash, db.Users.Where(o => o.Id == other.Id).Select(o => o.PasswordHash).Single())));
        _gate.Set();
        await busy;
        if (rehashed) Assert.Equal(HttpStatusCode.NoContent, (await asked).StatusCode);
        else await Answers.AssertProblemAsync(await asked, 400, "Invalid credentials");
        Assert.Equal(rehashed, await _app.DbAsync(db => db.Audit.AnyAsync(a => a.Action == "proved-again")));
    }
}
