using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace App.E2E.Harness;

/// <summary>
/// Stands for Gatehouse across the network: a key, a feed that a test writes, and a line that a test can cut.
/// What a real one does is for the tests that publish it; here it is the verifier that is judged.
/// </summary>
internal sealed class StandIn : IAsyncDisposable
{
    public const string Issuer = "https://auth.test", Audience = "https://api.test";
    private readonly HttpListener _listener = new();
    private readonly string _root;
    private readonly ConcurrentDictionary<HttpListenerResponse, SemaphoreSlim> _readers = new();
    private readonly List<JsonObject> _log = [];
    private readonly List<(string KeyId, ECDsa Key)> _keys = [];
    private readonly Lock _gate = new();
    private volatile bool _unreachable, _silenced;
    private int _keyFetches, _hits, _beats;

    public StandIn(params (string KeyId, ECDsa Key)[] keys)
    {
        _keys.AddRange(keys);
        _root = $"http://127.0.0.1:{TestRun.FreePort()}";
        _listener.Prefixes.Add(_root + "/");
        _listener.Start();
        _ = AcceptAsync();
        _ = BeatAsync();
    }

    public string Url => _root + Below;

    /// <summary>The path that all others are below.</summary>
    public string Below { get; init; } = "";

    /// <summary>How long a snapshot takes to be sent, in a hundred pieces.</summary>
    public TimeSpan SnapshotTakes { get; init; }

    /// <summary>Acknowledgements are never answered, and are counted no less.</summary>
    public bool HangsAcks { get; set; }

    /// <summary>A snapshot comes without the heartbeat behind it, which says that no more is missing.</summary>
    public bool HoldsHeartbeats { get; set; }

    /// <summary>The line breaks in the middle of the keys.</summary>
    public bool CutsKeys { get; set; }

    /// <summary>Introspection answers a byte a second, for half a minute.</summary>
    public bool Drips { get; set; }

    /// <summary>What introspection answers.</summary>
    public bool Active { get; set; } = true;

    /// <summary>Where every request is sent on to (302), if anywhere.</summary>
    public string? Elsewhere { get; set; }

    public int KeyFetches => _keyFetches;

    /// <summary>What each fetch of keys has told the caches on its way.</summary>
    public ConcurrentQueue<string?> KeyCaching { get; } = new();

    /// <summary>Requests of any kind.</summary>
    public int Hits => _hits;

    /// <summary>Heartbeats sent to whoever listened.</summary>
    public int Beats => _beats;

    public ConcurrentQueue<string?> Resumed { get; } = new();
    public ConcurrentQueue<long> Acknowledged { get; } = new();

    /// <summary>Instances that have opened the feed, and those that have said goodbye.</summary>
    public ConcurrentQueue<string> Instances { get; } = new();
    public ConcurrentQueue<string> Left { get; } = new();

    /// <summary>Adds to the feed and tells whoever listens; returns the cursor.</summary>
    public Task<long> WriteAsync(string type, params (string Name, JsonNode? Value)[] members) => WriteAsync(TimeSpan.FromHours(1), type, members);

    /// <param name="expires">From now; negative for an entry that is over.</param>
    public async Task<long> WriteAsync(TimeSpan expires, string type, params (string Name, JsonNode? Value)[] members)
    {
        JsonObject entry = new() { ["type"] = type, ["expires"] = (DateTimeOffset.UtcNow + expires).ToUnixTimeSeconds() };
        foreach (var (name, value) in members) entry[name] = value;
        long cursor;
        lock (_gate)
        {
            _log.Add(entry);
            entry["cursor"] = cursor = _log.Count;
        }
        await Task.WhenAll(_readers.Keys.Select(reader => SendAsync(reader, Message(cursor, type, entry))));
        return cursor;
    }

    public void Publish(string keyId, ECDsa key)
    {
        lock (_gate) _keys.Add((keyId, key));
    }

    /// <summary>Every line of the feed breaks, and from now on each request is met with 503, until <see cref="Mend"/>.</summary>
    public void Cut()
    {
        _unreachable = true;
        foreach (var reader in _readers.Keys) Drop(reader);
    }

    /// <summary>The same for the feed alone; everything else still answers.</summary>
    public void CutFeed()
    {
        _silenced = true;
        foreach (var reader in _readers.Keys) Drop(reader);
    }

    public void Mend() => _unreachable = _silenced = false;

    /// <summary>A token as Gatehouse mints them, of the first key unless told otherwise.</summary>
    /// <param name="bend">Changes the JSON of its header and that of its claims before they are signed.</param>
    public string Mint(string sub, string sid, long? issuedAt = null, int key = 0, Func<string, string>? bend = null)
    {
        var iat = issuedAt ?? DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var (keyId, signer) = _keys[key];
        var claims = new { iss = Issuer, aud = new[] { Audience }, sub, id = sub, sid, jti = Guid.NewGuid(), iat, exp = iat + 300, auth_time = iat, email = "ada@example.test" };
        var text = Segment(new { alg = "ES256", typ = "at+jwt", kid = keyId }) + "." + Segment(claims);
        return text + "." + Base64Url(signer.SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256));

        string Segment(object value) => Base64Url(Encoding.UTF8.GetBytes((bend ?? (json => json))(JsonSerializer.Serialize(value))));
    }

    public ValueTask DisposeAsync()
    {
        Cut();
        _listener.Close();
        return ValueTask.CompletedTask;
    }

    private async Task AcceptAsync()
    {
        while (_listener.IsListening)
        {
            try
            {
                var context = await _listener.GetContextAsync();
                _ = Task.Run(() => AnswerAsync(context));
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return; // The listener is closed.
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        var (request, response) = (context.Request, context.Response);
        try
        {
            var path = request.Url!.AbsolutePath;
            path = path.StartsWith(Below + "/", StringComparison.Ordinal) ? path[Below.Length..] : "elsewhere";
            Interlocked.Increment(ref _hits);
            if (_unreachable || (_silenced && path == "/events")) response.StatusCode = 503;
            else if (Elsewhere is not null) response.Redirect(Elsewhere + path);
            else if (path == "/.well-known/jwks.json") await WriteKeysAsync(request, response);
            else if (!IsTheService(request.Headers["Authorization"])) response.StatusCode = 401;
            else if (path == "/events") { await OpenAsync(request, response); return; }
            else if (path == "/connect/introspect" && Drips) await DripAsync(response);
            else if (path == "/connect/introspect") await response.OutputStream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new { active = Active }));
            else if (path == "/events/ack")
            {
                var ack = (await JsonNode.ParseAsync(request.InputStream))!;
                if (ack["leaving"]?.GetValue<bool>() == true) Left.Enqueue(ack["instance"]!.GetValue<string>());
                else Acknowledged.Enqueue(ack["cursor"]!.GetValue<long>());
                if (HangsAcks) return;
                response.StatusCode = 204;
            }
            else response.StatusCode = 404;
            response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            // The caller has gone.
        }
    }

    // Each part is form-encoded (RFC 6749 section 2.3.1), in which a space may be a plus.
    private static bool IsTheService(string? authorization) =>
        authorization?.StartsWith("Basic ", StringComparison.Ordinal) == true
        && Encoding.UTF8.GetString(Convert.FromBase64String(authorization["Basic ".Length..])).Split(':').Select(WebUtility.UrlDecode).SequenceEqual([Peer.ClientId, Peer.ClientSecret]);

    private static async Task DripAsync(HttpListenerResponse response)
    {
        foreach (var one in Encoding.UTF8.GetBytes("{\"active\":true" + new string(' ', 16) + "}"))
        {
            await response.OutputStream.WriteAsync(new[] { one });
            await response.OutputStream.FlushAsync();
            await Task.Delay(TimeSpan.FromSeconds(1));
        }
    }

    private async Task WriteKeysAsync(HttpListenerRequest request, HttpListenerResponse response)
    {
        KeyCaching.Enqueue(request.Headers["Cache-Control"]);
        Interlocked.Increment(ref _keyFetches);
        if (CutsKeys)
        {
            response.ContentLength64 = 1000;
            await response.OutputStream.WriteAsync("{\"keys\":[{"u8.ToArray());
            await response.OutputStream.FlushAsync();
            response.Abort();
            return;
        }

        List<object> keys;
        lock (_gate) keys = [.. _keys.Select(key => (key.KeyId, key.Key.ExportParameters(false).Q)).Select(key => new { kty = "EC", crv = "P-256", alg = "ES256", use = "sig", kid = key.KeyId, x = Base64Url(key.Q.X!), y = Base64Url(key.Q.Y!) })];
        await response.OutputStream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new { keys }));
    }

    private async Task OpenAsync(HttpListenerRequest request, HttpListenerResponse response)
    {
        var resume = request.Headers["Last-Event-ID"] ?? request.QueryString["cursor"] switch { "" => null, var cursor => cursor };
        Resumed.Enqueue(resume);
        Instances.Enqueue(request.QueryString["instance"] ?? "");
        response.ContentType = "text/event-stream";
        response.SendChunked = true;
        var text = "";
        lock (_gate)
        {
            JsonObject snapshot = new() { ["cursor"] = _log.Count, ["events"] = new JsonArray([.. _log.Select(entry => entry.DeepClone())]) };
            text = resume is null
                ? Message(_log.Count, "snapshot", snapshot)
                : string.Concat(_log.Skip(int.Parse(resume, CultureInfo.InvariantCulture)).Select(entry => Message(entry["cursor"]!.GetValue<long>(), entry["type"]!.GetValue<string>(), entry)));
            text += Heartbeat();
            _readers[response] = new SemaphoreSlim(1);
        }
        await SendAsync(response, text, resume is null ? SnapshotTakes : TimeSpan.Zero);
    }

    private async Task BeatAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(300));
        while (_listener.IsListening && await timer.WaitForNextTickAsync())
        {
            if (HoldsHeartbeats) continue; // an empty chunk would end the stream
            await Task.WhenAll(_readers.Keys.Select(reader => SendAsync(reader, Heartbeat())));
            Interlocked.Increment(ref _beats);
        }
    }

    private string Heartbeat() => HoldsHeartbeats ? "" : Message(_log.Count, "heartbeat", new JsonObject { ["cursor"] = _log.Count });

    private static string Message(long cursor, string type, JsonObject data) => $"id: {cursor}\nevent: {type}\ndata: {data.ToJsonString()}\n\n";

    private async Task SendAsync(HttpListenerResponse reader, string text, TimeSpan takes = default)
    {
        if (!_readers.TryGetValue(reader, out var turn)) return;
        await turn.WaitAsync();
        try
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            foreach (var piece in bytes.Chunk(takes == default ? bytes.Length : (bytes.Length / 100) + 1))
            {
                await reader.OutputStream.WriteAsync(piece);
                await reader.OutputStream.FlushAsync();
                if (takes != default) await Task.Delay(takes / 100);
            }
        }
        catch (Exception e) when (e is HttpListenerException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            Drop(reader);
        }
        finally
        {
            turn.Release();
        }
    }

    private void Drop(HttpListenerResponse reader)
    {
        if (_readers.TryRemove(reader, out _)) reader.Abort();
    }

    private static string Base64Url(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
}
