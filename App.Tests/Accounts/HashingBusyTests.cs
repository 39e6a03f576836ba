using System.Net;
using System.Text.Json;
using App.Accounts;
using App.Passwords;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Accounts;

/// <summary>More passwords than can be hashed: 503 with a time to come back, at every door, and nobody pays for it with a guess.</summary>
public sealed class HashingBusyTests : IAsyncLifetime
{
    private const string Right = "correct horse battery staple";
    private readonly ManualResetEventSlim _gate = new();
    private readonly TestApp _app = TestApp.Start(("Passwords:HashingThreads", "1"), ("Passwords:QueueLength", "1"));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _gate.Set();
        await _app.DisposeAsync();
        _gate.Dispose();
    }

    [Fact]
    public async Task Every_door_says_503_and_when_to_come_back()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app);
        await BlockAsync();
        var body = JsonSerializer.Serialize(new { email = user.Email, password = Right });
        foreach (var (path, json) in new[] { ("/api/users/signin", body), ("/api/tokens", body), ("/api/users/signup", JsonSerializer.Serialize(new { email = "new@example.test", password = Right })) })
        {
            using var answer = await _app.PostTextAsync(path, json);
            await Answers.AssertProblemAsync(answer, 503, "The service is busy. Try again in a moment.");
            Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 30);
            Assert.Empty(Answers.CookieLines(answer));
        }

        foreach (var (page, handler) in new[] { ("/account/sign-in", "sign-in"), ("/account/sign-up", "sign-up") })
        {
            using var answer = await _app.PostFormAsync(page, handler, [new("email", handler + "-page@example.test"), new("password", Right)]);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 30);
            Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);
        }

        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Fact]
    public async Task What_changes_while_a_password_waits_to_be_hashed_is_in_the_token()
    {
        var user = await _app.SignUpAsync();
        await using var app = _app.StartReplica(("Passwords:HashingThreads", "1"), ("Passwords:QueueLength", "5"));
        var started = new TaskCompletionSource();
        var busy = app.Get<HashingThreads>().RunAsync(() => { started.SetResult(); _gate.Wait(); return 0; }, CancellationToken.None);
        await started.Task;
        var signIn = app.PostTextAsync("/api/tokens", JsonSerializer.Serialize(new { email = user.Email, password = Right }));
        SpinWait.SpinUntil(() => app.Get<HashingThreads>().Waiting == 1 || signIn.IsCompleted, TimeSpan.FromSeconds(30));
        Assert.False(signIn.IsCompleted);
        await _app.DbAsync(db => db.Users.Where(u => u.Email == user.Email).ExecuteUpdateAsync(set => set.SetProperty(u => u.Name, "Ada")));
        _gate.Set();
        await busy;
        using var answer = await signIn;
        var token = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("access_token").GetString();
        Assert.Equal("Ada", new Microsoft.IdentityModel.JsonWebTokens.JsonWebToken(token).GetClaim("name").Value);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    public async Task What_could_not_be_judged_does_not_count(int wrongBefore)
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < wrongBefore; i++)
        {
            if (i >= 10) _app.Time.Advance(TimeSpan.FromMinutes(1 << (i - 10)));
            Assert.Equal(HttpStatusCode.BadRequest, (await GuessAsync(user.Email, "wrong for sure and long")).StatusCode);
        }

        if (wrongBefore >= 10) _app.Time.Advance(TimeSpan.FromMinutes(1 << (wrongBefore - 10)));
        var seen = await LimitAsync();
        var blocked = await BlockAsync();
        for (var i = 0; i < 3; i++) Assert.Equal(HttpStatusCode.ServiceUnavailable, (await GuessAsync(user.Email, Right)).StatusCode);
        var after = await LimitAsync();
        Assert.Equal((seen?.Failures ?? 0, seen?.Locks ?? 0), (after!.Failures, after.Locks));

        _gate.Set();
        await Task.WhenAll(blocked);
        Assert.Equal(HttpStatusCode.OK, (await GuessAsync(user.Email, Right)).StatusCode);
    }

    [Fact] // ATTACKS 68: a password that can be nobody's is answered without a place in the queue
    public async Task A_password_longer_than_any_is_wrong_without_being_hashed()
    {
        var user = await _app.SignUpAsync();
        await BlockAsync();
        await Answers.AssertProblemAsync(await GuessAsync(user.Email, new string('x', 60_000)), 400, "Invalid credentials");
    }

    [Fact] // ATTACKS 82, without a clock: known or not, one guess is counted and one hash is asked for
    public async Task An_unknown_address_waits_for_a_hash_like_a_known_one_and_counts_like_it()
    {
        var user = await _app.SignUpAsync();
        var threads = _app.Get<HashingThreads>();
        foreach (var email in new[] { user.Email, "nobody@example.test" })
        {
            await using var app = _app.StartReplica(("Passwords:HashingThreads", "1"), ("Passwords:QueueLength", "5"));
            threads = app.Get<HashingThreads>();
            using var gate = new ManualResetEventSlim();
            var started = new TaskCompletionSource();
            var busy = threads.RunAsync(() => { started.SetResult(); gate.Wait(); return 0; }, CancellationToken.None);
            await started.Task;
            var guess = app.PostTextAsync("/api/users/signin", JsonSerializer.Serialize(new { email, password = "wrong for sure and long" }));
            SpinWait.SpinUntil(() => threads.Waiting == 1 || guess.IsCompleted, TimeSpan.FromSeconds(30));

            Assert.Equal(1, threads.Waiting);
            Assert.False(guess.IsCompleted);
            gate.Set();
            Assert.Equal(HttpStatusCode.BadRequest, (await guess).StatusCode);
            await busy;
        }

        Assert.All(await _app.DbAsync(db => db.Set<GuessLimit>().ToListAsync()), g => Assert.Equal((1, 0), (g.Failures, g.Locks)));
        Assert.Equal(2, await _app.DbAsync(db => db.Set<GuessLimit>().CountAsync()));
    }

    // One job in work and one in the queue: the next is one too many.
    private async Task<Task<int>[]> BlockAsync()
    {
        var threads = _app.Get<HashingThreads>();
        var started = new TaskCompletionSource();
        var working = threads.RunAsync(() => { started.SetResult(); _gate.Wait(); return 0; }, CancellationToken.None);
        await started.Task;
        return [working, threads.RunAsync(() => 0, CancellationToken.None)];
    }

    private Task<GuessLimit?> LimitAsync() => _app.DbAsync(db => db.Set<GuessLimit>().AsNoTracking().SingleOrDefaultAsync());

    private Task<HttpResponseMessage> GuessAsync(string email, string password) =>
        _app.PostTextAsync("/api/users/signin", JsonSerializer.Serialize(new { email, password }));
}
