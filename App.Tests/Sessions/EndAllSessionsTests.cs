using System.Net;
using System.Net.Http.Json;
using App.Sessions;
using App.Tests.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Sessions;

public sealed class EndAllSessionsTests
{
    [Fact] // ATTACKS 204
    public async Task What_a_restored_backup_revives_ends_with_one_command()
    {
        var backup = Directory.CreateTempSubdirectory("gatehouse-backup-").FullName;
        TestUser user;
        await using (var app = TestApp.Start())
        {
            user = await app.SignUpAsync();
            await app.DbAsync(db => db.Database.ExecuteSqlAsync($"VACUUM INTO {Path.Combine(backup, "gatehouse.db")}"));
            File.Copy(Path.Combine(app.Folder, "master.key"), Path.Combine(backup, "master.key"));
            await app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
            Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
        }

        await using (var restored = TestApp.Start([("DataDir", backup), .. FeedServices.Settings]))
        {
            Assert.Equal(user.Email, await restored.WhoAmIAsync(bearer: user.AccessToken)); // which is what the command is for
            Assert.Equal((0, "Done. Sessions ended: 1."), await RunAsync(restored, "end-all"));
            Assert.Equal(HttpStatusCode.Unauthorized, (await restored.SendAsync(HttpMethod.Get, "/api/sessions", bearer: user.AccessToken)).StatusCode);
            Assert.Equal(HttpStatusCode.Unauthorized, (await restored.SendAsync(HttpMethod.Get, "/api/sessions", cookies: user.Cookies)).StatusCode);
            Assert.Equal(HttpStatusCode.Unauthorized, (await restored.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);
            await restored.SignInAsync(user);
            // A service that read further than the backup goes must not take what comes under the numbers that it knows for what it has.
            await using var ahead = await Feed.OpenAsync(restored, query: "?cursor=1");
            Assert.Equal("snapshot", (await ahead.NextAsync())!.Event);
            Assert.Equal("heartbeat", (await ahead.NextAsync())!.Event);
        }

        Directory.Delete(backup, recursive: true);
    }

    [Fact]
    public async Task However_many_there_are_each_ends_once()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        await app.DbAsync(async db =>
        {
            for (var i = 0; i < 450; i++) db.Sessions.Add(new Session { Id = Guid.NewGuid(), UserId = user.Id, LastSeenAt = app.Time.GetUtcNow(), ExpiresAt = app.Time.GetUtcNow().AddDays(1) });
            return await db.SaveChangesAsync();
        });

        Assert.Equal((0, "Done. Sessions ended: 451."), await RunAsync(app, "end-all"));
        Assert.Equal((0, "Done. Sessions ended: 0."), await RunAsync(app, "end-all"));
        Assert.Equal(2, (await RunAsync(app, "end-some")).Exit);
    }

    private static async Task<(int Exit, string Said)> RunAsync(TestApp app, params string[] args)
    {
        await using var output = new StringWriter();
        return (await RevokeSessions.EndAllAsync(app.Services, args, output, CancellationToken.None), output.ToString().TrimEnd());
    }
}
