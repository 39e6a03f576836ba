using App.Accounts;
using App.Passwords;
using App.Sessions;
using App.Tests.Attacks;
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
        var started = new TaskCompletionSource();
        var busy = _app.Get<HashingThreads>().RunAsync(() =>
        {
            started.SetResult();
            _gate.Wait();
            return true;
        }, CancellationToken.None);
        await started.Task; // until then it would be the one that waits
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
}
