using System.Net.Http.Json;
using System.Text.Json;
using App.Audit;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Audit;

public sealed class AuditLogTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_visit_reads_as_it_went()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);

        var rows = await _app.DbAsync(db => db.Audit.AsNoTracking().Where(a => a.UserId == user.Id).OrderBy(a => a.Id).ToListAsync());
        Assert.Equal(["signed-up", "signed-in", "session-ended"], rows.Select(a => a.Action));
        Assert.Equal([null, user.SessionId, user.SessionId], rows.Select(a => a.SessionId));
        Assert.Equal([null, "pwd", "sign-out"], rows.Select(a => a.Detail));
        Assert.Equal(TimeSpan.FromMinutes(1), rows[2].At - rows[1].At);
    }

    [Fact]
    public async Task What_was_not_done_is_not_recorded()
    {
        await using (var scope = _app.Services.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
            scope.ServiceProvider.GetRequiredService<AuditLog>().Add("signed-in", Guid.NewGuid());
            await db.SaveChangesAsync();
        }

        Assert.Equal(0, await _app.DbAsync(db => db.Audit.CountAsync()));
    }

    [Fact] // ATTACKS 196
    public async Task It_holds_no_secret_no_token_and_no_address()
    {
        var user = await _app.SignUpAsync("recorded@example.test");
        await _app.Client.PostAsJsonAsync("/api/users/signin", new { email = user.Email, password = "not the right password" });
        await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken });
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", bearer: user.AccessToken);

        var all = JsonSerializer.Serialize(await _app.DbAsync(db => db.Audit.AsNoTracking().ToListAsync()))
            + JsonSerializer.Serialize(await _app.DbAsync(db => Events(db).ToListAsync()));
        Assert.All([user.Email, user.Password, "not the right", user.AccessToken, user.RefreshToken, "eyJ"], secret => Assert.DoesNotContain(secret, all, StringComparison.Ordinal));

        static IQueryable<App.Events.LoggedEvent> Events(AppDb db) => db.Set<App.Events.LoggedEvent>().AsNoTracking();
    }
}
