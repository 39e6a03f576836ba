using System.Net;
using System.Net.Sockets;
using System.Text;
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

    /// <summary>Readers who ask for all that is in force and read nothing of it.</summary>
    public static async Task<List<TcpClient>> OpenSlowAsync(KestrelApp app, int readers, string path = "/events")
    {
        var slow = Enumerable.Range(0, readers).Select(_ => new TcpClient { ReceiveBufferSize = 4096 }).ToList();
        foreach (var one in slow)
        {
            await one.ConnectAsync(app.Address.Host, app.Address.Port);
            await one.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {app.Address.Authority}\r\nAuthorization: {FeedServices.Credentials("slow")}\r\n\r\n"));
        }

        return slow;
    }

    /// <summary>One who reads gets the whole snapshot.</summary>
    public static async Task ReadSnapshotAsync(KestrelApp app, int count)
    {
        using var client = new HttpClient { BaseAddress = app.Address };
        using var answer = await OpenAsync(client, "/events");
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());
        while (await lines.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)) is { } line)
        {
            if (!line.StartsWith("data: ", StringComparison.Ordinal)) continue;
            using var snapshot = System.Text.Json.JsonDocument.Parse(line[6..]);
            Assert.Equal(count, snapshot.RootElement.GetProperty("events").GetArrayLength());
            break;
        }
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
