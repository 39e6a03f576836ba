using System.Net.Http.Json;
using App.Lab;
using App.Sessions;
using App.Shared;
using App.Strategies;
using App.Tests.Attacks;
using App.Tokens;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Lab;

/// <summary>A whole Gatehouse on a real socket, as the lab's services need it, and somebody who is signed in.</summary>
internal sealed class LabFixture : IAsyncDisposable
{
    private LabFixture(KestrelApp app, TestUser user, CurrentUser me) => (App, User, Me) = (app, user, me);

    public KestrelApp App { get; }

    public TestUser User { get; }

    public CurrentUser Me { get; }

    public static async Task<LabFixture> StartAsync(params (string Key, string? Value)[] settings)
    {
        var app = KestrelApp.Start(settings);
        var email = $"user-{Guid.NewGuid():N}@example.test";
        using var answer = await app.Client.PostAsJsonAsync("/api/users/signup", new { email, password = TestApp.Password });
        var (session, refresh) = TestUser.SetCookies(answer);
        var token = TestUser.Unwrap(session);
        var me = Assert.IsType<TokenVerdict.Genuine>(await app.Services.GetRequiredService<TokenVerifier>().VerifyAsync(token)).User;
        return new LabFixture(app, new TestUser(email, TestApp.Password, me.Id, token, session, refresh), me);
    }

    public T Get<T>() where T : notnull => App.Services.GetRequiredService<T>();

    public async Task<T> ScopedAsync<TVerb, T>(Func<TVerb, Task<T>> run) where TVerb : notnull
    {
        await using var scope = App.Services.CreateAsyncScope();
        return await run(scope.ServiceProvider.GetRequiredService<TVerb>());
    }

    /// <summary>The experiment has left nothing behind: the person's own session lives, and no other.</summary>
    public async Task LeftNothingAsync() =>
        Assert.Equal([Me.SessionId], (await ScopedAsync<ListSessions, IReadOnlyList<SessionView>>(list => list.OfAsync(Me, default))).Select(s => s.Id));

    public Uri AddressOf(Strategy strategy) => Get<LabBench>().Stands.Single(s => s.Strategy == strategy).Address;

    public ValueTask DisposeAsync() => App.DisposeAsync();
}
