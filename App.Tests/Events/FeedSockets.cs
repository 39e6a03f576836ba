using System.Net;
using App.Data;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Events;

/// <summary>A log that is full, and readers of it.</summary>
internal static class FeedSockets
{
    public static async Task<HttpResponseMessage> OpenAsync(HttpClient client, string path)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Authorization", FeedServices.Credentials("reader"));
        var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return answer;
    }

    public static async Task FillAsync(KestrelApp app, int count)
    {
        await using var scope = app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var now = TimeProvider.System.GetUtcNow();
        await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
        await db.Database.ExecuteSqlAsync($"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
            INSERT INTO SecurityEventLog (Cursor, Id, Type, OccurredAt, ExpiresAt, UserId, SessionId, Reason)
            SELECT i, printf('00000000-0000-0000-0000-%012d', i), 'session-revoked', {now.UtcTicks}, {now.AddMinutes(6).UtcTicks}, {Guid.NewGuid()}, printf('00000000-0000-0000-0000-%012d', i), 'sign-out' FROM n;
            UPDATE EventCounter SET Value = {count};
            """);
        await transaction.CommitAsync(CancellationToken.None);
    }
}
