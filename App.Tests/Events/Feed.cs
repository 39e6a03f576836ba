using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace App.Tests.Events;

/// <summary>A service that reads the feed over HTTP.</summary>
internal sealed class Feed : IAsyncDisposable
{
    private readonly HttpResponseMessage _answer;
    private readonly StreamReader _lines;

    private Feed(HttpResponseMessage answer, StreamReader lines) => (_answer, _lines) = (answer, lines);

    public sealed record Message(string Id, string Event, JsonElement Data)
    {
        public long Cursor => Data.GetProperty("cursor").GetInt64();
    }

    public static async Task<Feed> OpenAsync(TestApp app, string service = "billing", string query = "", string? lastEventId = null)
    {
        var answer = await GetAsync(app, "/events" + query, FeedServices.Credentials(service), lastEventId);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType);
        return new Feed(answer, new StreamReader(await answer.Content.ReadAsStreamAsync()));
    }

    public static Task<HttpResponseMessage> GetAsync(TestApp app, string path, string? authorization, string? lastEventId = null, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        if (lastEventId is not null) request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return app.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    public static Task<HttpResponseMessage> PostAsync(TestApp app, string path, object json, string service = "billing") =>
        app.SendAsync(HttpMethod.Post, path, json: json, headers: ("Authorization", FeedServices.Credentials(service)));

    public static async Task<JsonElement> PollAsync(TestApp app, object json, string service = "billing")
    {
        var answer = await PostAsync(app, "/events/poll", json, service);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    /// <summary>The next message; null at the end of the stream.</summary>
    public async Task<Message?> NextAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        string? id = null, name = null, data = null;
        while (await _lines.ReadLineAsync(patience.Token) is { } line)
        {
            if (line.Length == 0) return new Message(id!, name!, JsonDocument.Parse(data!).RootElement);
            if (line.StartsWith("id: ", StringComparison.Ordinal)) id = line[4..];
            else if (line.StartsWith("event: ", StringComparison.Ordinal)) name = line[7..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal)) data = line[6..];
            else Assert.Fail(line);
        }

        return null;
    }

    /// <summary>The next message that is no heartbeat.</summary>
    public async Task<Message> EventAsync()
    {
        while (await NextAsync() is { } message)
            if (message.Event != "heartbeat") return message;
        throw new InvalidOperationException("The stream has ended.");
    }

    public ValueTask DisposeAsync()
    {
        _lines.Dispose();
        _answer.Dispose();
        return ValueTask.CompletedTask;
    }
}
