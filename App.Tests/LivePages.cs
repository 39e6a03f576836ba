using App.Sessions;
using App.Tokens;
using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests;

/// <summary>An island in a circuit of the test's own over the real service, with somebody who looks at it.</summary>
internal static class LivePages
{
    /// <typeparam name="TVerb">What the island asks, in a scope of its own for each look.</typeparam>
    public static async Task ServeAsync<TVerb>(this BunitContext page, TestApp app, TestUser user) where TVerb : class
    {
        var me = Assert.IsType<TokenVerdict.Genuine>(await app.Get<TokenVerifier>().VerifyAsync(user.AccessToken)).User;
        page.Services.AddSingleton<TimeProvider>(app.Time);
        page.Services.AddSingleton(app.Get<SessionWatch>());
        page.Services.AddScoped(_ => app.Services.CreateScope());
        page.Services.AddScoped(scope => scope.GetRequiredService<IServiceScope>().ServiceProvider.GetRequiredService<TVerb>());
        page.Services.AddCascadingValue(_ => Task.FromResult(new AuthenticationState(me.ToPrincipal())));
        page.Renderer.SetRendererInfo(new RendererInfo("Server", true));
    }
    /// <summary>
    /// Looks again and again while the clock goes on. bUnit's own waiting looks when something was drawn: an island that sees nothing new,
    /// or takes its time over one look, would wait for the clock, and the clock for it.
    /// </summary>
    /// <param name="quick">For how many looks it goes on by two seconds each; afterwards by two seconds in each second.</param>
    public static async Task<T> UntilAsync<T>(this TestApp app, Func<T> look, Func<T, bool> met, int quick = 5)
    {
        var seen = look();
        for (var tries = 0; !met(seen) && tries < 400; tries++)
        {
            // A slow machine is waited for without hurry: else the session of who looks, and what the page is there for, would be over first.
            if (tries < quick || tries % 20 == 0) app.Time.Advance(TimeSpan.FromSeconds(2));
            await Task.Delay(50);
            seen = look();
        }

        return seen;
    }
}
