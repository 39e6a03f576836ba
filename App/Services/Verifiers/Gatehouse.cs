// Gatehouse verifier for ASP.NET Core 10: checks access tokens in this process and learns of sign-outs within milliseconds.
// One file, yours to keep and to change. It needs the package Microsoft.AspNetCore.Authentication.JwtBearer 10 and nothing else.
//
//   builder.Services.AddAuthentication().AddGatehouse(o => { o.Issuer = "https://id.example.com"; o.Audience = "orders"; });
//   app.MapGet("/orders", (ClaimsPrincipal user) => user.FindFirst("email")!.Value).RequireAuthorization();
//
// Public keys come from /.well-known/jwks.json. One connection to /events (server-sent events) brings every revocation in force,
// then each new one, and a heartbeat every 5 s. No token is accepted before that first snapshot.
#nullable enable
using System.Buffers;
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.IdentityModel.Tokens;

namespace Gatehouse;

public enum WhenStale { Introspect, Refuse, Accept }

public sealed class GatehouseOptions
{
    /// <summary>Gatehouse's public address: the <c>iss</c> of its tokens, exactly.</summary>
    public string Issuer { get; set; } = "";
    /// <summary>The <c>aud</c> that tokens for this service bear.</summary>
    public string Audience { get; set; } = "";
    /// <summary>Where Gatehouse is reached from here; by default the issuer.</summary>
    public string? Url { get; set; }
    /// <summary>This service's id; by default GATEHOUSE_CLIENT_ID or else the audience.</summary>
    public string? ClientId { get; set; } = Environment.GetEnvironmentVariable("GATEHOUSE_CLIENT_ID");
    /// <summary>Its secret; by default GATEHOUSE_CLIENT_SECRET.</summary>
    public string? ClientSecret { get; set; } = Environment.GetEnvironmentVariable("GATEHOUSE_CLIENT_SECRET");
    /// <summary>While the feed is older than <see cref="StaleAfter"/>: ask Gatehouse about each token (RFC 7662), refuse, or accept on local checks alone.</summary>
    public WhenStale WhenStale { get; set; } = WhenStale.Introspect;
    /// <summary>Above zero; below 6 s the five-second heartbeat itself looks late.</summary>
    public TimeSpan StaleAfter { get; set; } = TimeSpan.FromSeconds(15);
    /// <summary>This process among its replicas: up to 64 letters, digits, dots, dashes or underscores.</summary>
    public string Instance { get; set; } = string.Concat($"{Environment.MachineName}-{Environment.ProcessId}".Select(c => char.IsAsciiLetterOrDigit(c) || c == '.' ? c : '-').TakeLast(64));
    public string Cookie { get; set; } = "session";
    /// <summary>The clock that tokens are judged by.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;
}

public static class GatehouseExtensions
{
    /// <summary>Adds the scheme <c>Bearer</c> (a JwtBearer with our checks around it) and the service that follows the feed.</summary>
    public static AuthenticationBuilder AddGatehouse(this AuthenticationBuilder builder, Action<GatehouseOptions> configure)
    {
        var options = new GatehouseOptions();
        configure(options);
        var gate = new GatehouseVerifier(options);
        builder.Services.AddSingleton(gate).AddHostedService(_ => gate);
        return builder.AddJwtBearer(jwt =>
        {
            jwt.MapInboundClaims = false;
            jwt.TokenValidationParameters = new()
            {
                ValidIssuer = options.Issuer, ValidAudience = options.Audience, ValidAlgorithms = ["ES256"], ValidTypes = ["at+jwt"],
                IssuerSigningKeyResolver = (_, _, kid, _) => gate.Keys.TryGetValue(kid, out var key) ? [key] : [],
                NameClaimType = "name", RoleClaimType = "roles", IgnoreTrailingSlashWhenValidatingAudience = false,
                ValidateLifetime = false, // the strict check before it does that, by the clock of the options
            };
            jwt.Events = new()
            {
                OnMessageReceived = async context => context.Token = await Try(context, () => gate.AdmitAsync(context.Request)),
                OnTokenValidated = context => Try(context, () => gate.CheckRevokedAsync(context.SecurityToken.UnsafeToString())),
                OnAuthenticationFailed = context => { gate.Count(context.Exception is Refused refused ? refused.Reason : "signature"); return Task.CompletedTask; },
            };
        });

        async Task<string?> Try(ResultContext<JwtBearerOptions> context, Func<Task<string?>> check)
        {
            try { return await check(); }
            catch (Refused refused) { gate.Count(refused.Reason); context.Fail(refused); return null; }
        }
    }
}

/// <summary>Why a token isn't good: one of a few fixed words, fit for a metric's label; it never quotes the token.</summary>
public sealed class Refused(string reason) : Exception($"token refused: {reason}") { public string Reason => reason; }

/// <param name="FeedAge">Seconds since the last word that nothing is missing; null before the first snapshot.</param>
public sealed record GatehouseStats(bool Connected, long? Cursor, double? FeedAgeSeconds, int RevocationsHeld, IReadOnlyDictionary<string, int> Refusals, int Introspections, string? LastError);

/// <summary>Follows one Gatehouse for one service.</summary>
public sealed class GatehouseVerifier : BackgroundService
{
    private const int Skew = 30, LongestLife = 3600, MaxToken = 8192, MaxDepth = 8;         // s that two clocks may differ by, s that a token may live, characters, levels of JSON
    private static readonly TimeSpan StartWithin = TimeSpan.FromSeconds(5);                 // that the first tokens wait for the snapshot; past that the feed counts as stale
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(12);                    // without data after which the connection is opened anew
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);                // for any other request to Gatehouse
    private static readonly TimeSpan KeysAge = TimeSpan.FromMinutes(5), KeysPause = TimeSpan.FromSeconds(30); // between fetches in the background; between those that unknown key ids cause
    private readonly GatehouseOptions _options;
    private readonly HttpClient _http;
    private readonly AuthenticationHeaderValue _basic;
    private readonly ConcurrentDictionary<string, (long NotBefore, long Expires)> _revoked = new();
    private readonly ConcurrentDictionary<string, int> _refusals = new();
    private readonly SemaphoreSlim _fetching = new(1), _errands = new(0);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long? _cursor, _freshAt, _keysAt, _missAt; // the last three are timestamps of Stopwatch
    private volatile bool _connected, _keysWanted = true;
    private int _introspections;
    private string? _lastError;

    internal GatehouseVerifier(GatehouseOptions options)
    {
        if (options is { Issuer: "" } or { Audience: "" } or { ClientSecret: null or "" }) throw new ArgumentException("Gatehouse needs Issuer, Audience and ClientSecret.");
        if (options.StaleAfter <= TimeSpan.Zero) throw new ArgumentException("Gatehouse: StaleAfter is out of bounds.");
        _options = options;
        var pair = $"{Uri.EscapeDataString(options.ClientId ?? options.Audience)}:{Uri.EscapeDataString(options.ClientSecret)}"; // RFC 6749 section 2.3.1
        _basic = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(pair)));
        _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = AnswerWithin }) { BaseAddress = new(options.Url ?? options.Issuer), Timeout = Timeout.InfiniteTimeSpan };
    }

    internal IReadOnlyDictionary<string, SecurityKey> Keys { get; private set; } = new Dictionary<string, SecurityKey>();

    public GatehouseStats Stats() => new(_connected, _cursor, _freshAt is { } at ? Since(at).TotalSeconds : null, _revoked.Count, _refusals.ToDictionary(), _introspections, _lastError);

    internal void Count(string reason) => _refusals.AddOrUpdate(reason, 1, (_, count) => count + 1);

    /// <summary>The request's token if its form is right and its key is here; null if there is none.</summary>
    internal async Task<string?> AdmitAsync(HttpRequest request)
    {
        if (ReadCredentials(request) is not { } token) return null;
        var (keyId, _) = ReadToken(token);
        await Task.WhenAny(_ready.Task, Task.Delay(StartWithin));
        if (!Keys.ContainsKey(keyId))
        {
            await _fetching.WaitAsync(); // whoever comes while one fetch is under way shares it
            try
            {
                if (!Keys.ContainsKey(keyId) && (_missAt is not { } at || Since(at) > KeysPause)) { _missAt = System.Diagnostics.Stopwatch.GetTimestamp(); await FetchKeysAsync(); }
            }
            finally { _fetching.Release(); }
        }
        return Keys.ContainsKey(keyId) ? token : throw new Refused("unknown_key");
    }

    /// <summary>The last word on a token whose signature is good.</summary>
    internal async Task<string?> CheckRevokedAsync(string token)
    {
        var (keyId, claims) = ReadToken(token);
        foreach (var (name, id) in new[] { ("key", "kid " + keyId), ("session", "sid " + claims.GetProperty("sid").GetString()), ("user", "sub " + claims.GetProperty("sub").GetString()) })
            if (_revoked.TryGetValue(id, out var held) && claims.GetProperty("iat").GetInt64() <= held.NotBefore) throw new Refused(name + "_revoked");
        if (_freshAt is { } at && Since(at) <= _options.StaleAfter || _options.WhenStale == WhenStale.Accept) return token;
        if (_options.WhenStale == WhenStale.Refuse) throw new Refused("stale");
        Interlocked.Increment(ref _introspections); // the answer is for this request alone
        try
        {
            using var answer = await AskAsync(HttpMethod.Post, "/connect/introspect", new FormUrlEncodedContent([new("token", token)]));
            if ((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("active").ValueKind == JsonValueKind.True) return token;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or JsonException or KeyNotFoundException) { throw new Refused("introspection_failed"); }
        throw new Refused("inactive");
    }

    protected override Task ExecuteAsync(CancellationToken stop) => Task.WhenAll(FollowAsync(stop), RunErrandsAsync(stop));

    private async Task FollowAsync(CancellationToken stop)
    {
        for (var failures = 0; !stop.IsCancellationRequested; failures++)
        {
            try
            {
                using var silent = CancellationTokenSource.CreateLinkedTokenSource(stop);
                silent.CancelAfter(Silence);
                using var request = new HttpRequestMessage(HttpMethod.Get, "/events?instance=" + _options.Instance) { Headers = { Authorization = _basic, Accept = { new("text/event-stream") } } };
                if (_cursor is { } cursor) request.Headers.Add("Last-Event-ID", $"{cursor}");
                using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silent.Token);
                using var lines = new StreamReader(await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(silent.Token));
                while (await lines.ReadLineAsync(silent.Token) is { } line)
                {
                    silent.CancelAfter(Silence);
                    if (!line.StartsWith("data:", StringComparison.Ordinal)) continue;
                    using var message = JsonDocument.Parse(line.AsMemory(5));
                    Receive(message.RootElement);
                    (failures, _connected) = (0, true);
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException or JsonException) { _lastError = e.Message; }
            _connected = false;
            await Task.Delay(TimeSpan.FromSeconds(Math.Min(2, 0.1 * Math.Pow(2, failures)) * (0.5 + Random.Shared.NextDouble() / 2)), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Receive(JsonElement message)
    {
        if (message.TryGetProperty("type", out _)) Apply(message);
        else // a snapshot or a heartbeat: nothing is missing up to here, and what is held is never forgiven
        {
            if (message.TryGetProperty("events", out var events)) foreach (var entry in events.EnumerateArray()) Apply(entry);
            _freshAt = System.Diagnostics.Stopwatch.GetTimestamp();
            foreach (var (id, held) in _revoked) if (held.Expires < _options.Time.GetUtcNow().ToUnixTimeSeconds() - Skew) _revoked.TryRemove(id, out _);
            if (_keysAt is not { } at || Since(at) > KeysAge) _keysWanted = true;
        }
        _cursor = message.GetProperty("cursor").GetInt64();
        _ready.TrySetResult();
        _errands.Release();
    }

    // An entry refuses tokens issued at or before its `notBefore`, and is held until the last of them has expired.
    private void Apply(JsonElement entry)
    {
        string? Text(string name) => entry.TryGetProperty(name, out var value) ? value.GetString() : null;
        long Seconds(string name, long otherwise) => entry.TryGetProperty(name, out var value) ? value.GetInt64() : otherwise;
        void Hold(string id, long notBefore) => _revoked.AddOrUpdate(id, (notBefore, Seconds("expires", long.MaxValue)),
            (_, held) => notBefore >= held.NotBefore ? (notBefore, Seconds("expires", long.MaxValue)) : held);
        if (Text("type") == "signing-key-changed")
        {
            _keysWanted = true;
            if (Text("reason") == "revoked") Hold("kid " + Text("kid"), long.MaxValue);
        }
        else if (Text("sid") is { } sid) Hold("sid " + sid, long.MaxValue);
        else if (Text("sub") is { } sub) Hold("sub " + sub, Seconds("notBefore", -1));
    }

    // Acknowledges the newest cursor and fetches keys, in nobody's way; what fails is tried again at the next heartbeat.
    private async Task RunErrandsAsync(CancellationToken stop)
    {
        for (long? acked = null; !stop.IsCancellationRequested; await _errands.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing))
        {
            try
            {
                if (_cursor is { } reached && reached != acked)
                {
                    (await AskAsync(HttpMethod.Post, "/events/ack", JsonContent.Create(new { cursor = reached, instance = _options.Instance }))).Dispose();
                    acked = reached;
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException) { _lastError = e.Message; }
            if (!_keysWanted) continue;
            _keysWanted = false;
            await _fetching.WaitAsync(CancellationToken.None);
            try { await FetchKeysAsync(); }
            finally { _fetching.Release(); }
        }
    }

    // All keys that are published are taken, so that the next one is here before its first use.
    private async Task FetchKeysAsync()
    {
        try
        {
            using var answer = await AskAsync(HttpMethod.Get, "/.well-known/jwks.json");
            Keys = new JsonWebKeySet(await answer.Content.ReadAsStringAsync()).Keys.Where(key => key.Crv == "P-256" && key.Kid is not null).ToDictionary(key => key.Kid, key => (SecurityKey)key);
            _keysAt = System.Diagnostics.Stopwatch.GetTimestamp();
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or ArgumentException) { _lastError = e.Message; }
    }

    private async Task<HttpResponseMessage> AskAsync(HttpMethod method, string path, HttpContent? content = null)
    {
        using var limit = new CancellationTokenSource(AnswerWithin);
        using var request = new HttpRequestMessage(method, path) { Content = content, Headers = { Authorization = _basic } };
        return (await _http.SendAsync(request, limit.Token)).EnsureSuccessStatusCode();
    }

    private static TimeSpan Since(long timestamp) => System.Diagnostics.Stopwatch.GetElapsedTime(timestamp);

    // A bearer token decides alone where there is one (RFC 6750 section 2.1), else the cookie: base64 of {"jwt":"…"}.
    private string? ReadCredentials(HttpRequest request)
    {
        var authorization = request.Headers.Authorization.ToString();
        if (authorization.Contains("bearer", StringComparison.OrdinalIgnoreCase))
            return authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? authorization[7..] : throw new Refused("malformed");
        var values = request.Headers.Cookie.SelectMany(line => line!.Split(';', ',')).Select(pair => pair.Trim().Split('=', 2)).Where(pair => pair[0] == _options.Cookie && pair.Length == 2).Select(pair => pair[1]).Distinct().ToList();
        if (values.Count == 0) return null;
        var bytes = new byte[values[0].Length];
        if (values.Count > 1 || !Convert.TryFromBase64String(values[0], bytes, out var length) || Convert.ToBase64String(bytes, 0, length) != values[0]) throw new Refused("malformed"); // two different values are a sign of tampering
        return Text(ReadObject(bytes.AsMemory(0, length)), "jwt") ?? throw new Refused("malformed");
    }

    // The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2. No key is involved yet.
    private (string KeyId, JsonElement Claims) ReadToken(string token)
    {
        if (token.Length > MaxToken || token.Split('.') is not { Length: 3 } parts) throw new Refused("malformed");
        var (header, claims, signature) = (ReadObject(Decode(parts[0])), ReadObject(Decode(parts[1])), Decode(parts[2]));
        if (Text(header, "alg") != "ES256" || Text(header, "typ") != "at+jwt" || Text(header, "kid") is not { } keyId
            || new[] { "crit", "b64", "zip" }.Any(name => header.TryGetProperty(name, out _))) throw new Refused("header");
        if (signature.Length != 64) throw new Refused("signature"); // R and S of P-256, RFC 7518 section 3.4
        if (Text(claims, "iss") != _options.Issuer) throw new Refused("issuer");
        if (Text(claims, "aud") != _options.Audience && !(claims.TryGetProperty("aud", out var aud) && aud.ValueKind == JsonValueKind.Array
            && aud.EnumerateArray().Any(one => one.ValueKind == JsonValueKind.String && one.ValueEquals(_options.Audience)))) throw new Refused("audience");
        var (issued, expires, now) = (Seconds(claims, "iat"), Seconds(claims, "exp"), _options.Time.GetUtcNow().ToUnixTimeSeconds());
        var from = Math.Max(issued, claims.TryGetProperty("nbf", out _) ? Seconds(claims, "nbf") : issued);
        if (Text(claims, "sub") is not { Length: > 0 } sub || Text(claims, "id") != sub || Text(claims, "sid") is null) throw new Refused("claims");
        if (expires + Skew <= now) throw new Refused("expired");
        if (from - Skew > now) throw new Refused("not_yet_valid");
        return expires > from && expires - issued <= LongestLife ? (keyId, claims) : throw new Refused("claims");
    }

    private static string? Text(JsonElement members, string name) => members.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long Seconds(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var seconds) && seconds is >= 0 and < 1L << 53 ? seconds : throw new Refused("claims");

    // The framework's decoder forgives padding and white space; one token has one spelling.
    private static byte[] Decode(string segment)
    {
        var bytes = new byte[Base64Url.GetMaxDecodedLength(segment.Length)];
        return segment.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') && Base64Url.DecodeFromChars(segment, bytes, out _, out var length) == OperationStatus.Done ? bytes[..length] : throw new Refused("malformed");
    }

    // One JSON object in UTF-8 in which no member is named twice, at any depth.
    private static JsonElement ReadObject(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8, new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind == JsonValueKind.Object && System.Text.Unicode.Utf8.IsValid(utf8.Span)) return document.RootElement.Clone();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) { /* InvalidOperationException: half a surrogate pair */ }
        throw new Refused("malformed");
    }
}
