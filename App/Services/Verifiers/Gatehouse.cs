// Gatehouse verifier for ASP.NET Core 10: checks access tokens in this process, hears of sign-outs within moments.
// One file, yours to keep and to change. It needs the package Microsoft.AspNetCore.Authentication.JwtBearer 10.
//
//   builder.Services.AddAuthentication().AddGatehouse(o => (o.Issuer, o.Audience) = ("https://id.test", "orders"));
//   app.MapGet("/orders", (ClaimsPrincipal user) => user.FindFirst("email")!.Value).RequireAuthorization();
#nullable enable
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Authentication;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Gatehouse;

public enum WhenStale { Introspect, Refuse, Accept }

public sealed class GatehouseOptions
{
    public string Issuer { get; set; } = ""; // Gatehouse's public address: the `iss` of its tokens, exactly
    public string Audience { get; set; } = ""; // the `aud` that tokens for this service bear
    public string? Url { get; set; } // where Gatehouse is reached from here; by default the issuer
    public string? ClientId { get; set; } = Environment.GetEnvironmentVariable("GATEHOUSE_CLIENT_ID"); // or Audience
    public string? ClientSecret { get; set; } = Environment.GetEnvironmentVariable("GATEHOUSE_CLIENT_SECRET");
    public WhenStale WhenStale { get; set; } // past StaleAfter: Introspect each token (RFC 7662), Refuse or Accept it
    public TimeSpan StaleAfter { get; set; } = TimeSpan.FromSeconds(15); // above 0; below 6 s the heartbeat looks late
    public string Instance { get; set; } = // this process among its replicas: up to 64 of A-Za-z0-9_.-
        Regex.Replace($"{Environment.MachineName}-{Environment.ProcessId}", "^.*(?=.{64})|[^A-Za-z0-9_.-]", "");
    public string Cookie { get; set; } = "session"; // name of the session cookie
    public TimeProvider Time { get; set; } = TimeProvider.System; // the clock that tokens are judged by
}

/// <summary>Why a token isn't good: one of a few fixed words, fit for a metric's label; it quotes no token.</summary>
public sealed class Refused(string reason) : Exception($"token refused: {reason}") { public string Reason => reason; }

public sealed record GatehouseStats(
    bool Connected, long? Cursor, double? FeedAgeSeconds, int RevocationsHeld, // null before the first snapshot
    IReadOnlyDictionary<string, int> Refusals, int Introspections, string? LastError);

public static class GatehouseExtensions
{
    /// <summary>Adds the scheme <c>Bearer</c>, a JwtBearer with our checks, and what follows the feed.</summary>
    public static AuthenticationBuilder AddGatehouse(this AuthenticationBuilder auth, Action<GatehouseOptions> setUp)
    {
        var options = new GatehouseOptions();
        setUp(options);
        if (options is { Issuer: "" } or { Audience: "" } or { ClientSecret: null or "" } or { StaleAfter.Ticks: <= 0 })
            throw new ArgumentException("Gatehouse needs Issuer, Audience, ClientSecret, and a StaleAfter above 0.");
        var gate = new GatehouseVerifier(options);
        auth.Services.AddSingleton(gate).AddHostedService(_ => gate);
        return auth.AddJwtBearer(jwt =>
        {
            jwt.TokenHandlers.Clear();
            jwt.TokenHandlers.Add(gate);
            jwt.TokenValidationParameters = new() // for the signature and the audience alone
            {
                ValidIssuer = options.Issuer,
                ValidAudience = options.Audience,
                IgnoreTrailingSlashWhenValidatingAudience = false,
                ValidAlgorithms = ["ES256"],
                ValidateLifetime = false,
                IssuerSigningKeyResolver = (_, _, keyId, _) => gate.Keys.TryGetValue(keyId, out var key) ? [key] : [],
                NameClaimType = "name",
                RoleClaimType = "roles",
            };
            jwt.Events = new() { OnMessageReceived = m => Task.FromResult(m.Token = gate.ReadCredentials(m.Request)) };
        });
    }
}

/// <summary>Follows one Gatehouse for one service; handles tokens as the library does, and far more strictly.</summary>
public sealed class GatehouseVerifier(GatehouseOptions options) : JsonWebTokenHandler, IHostedService, IDisposable
{
    private const int Skew = 30, Slack = 900; // s by which two clocks may differ, and by which one may jump
    private const int LongestLife = 3600, LongestToken = 8192; // s that a token of ours may live, and its characters
    private const int Patience = 5, Silence = 12; // s for an answer or the first snapshot; between words of the feed
    private const int KeysAge = 300, KeysPause = 30; // s until keys are fetched anew; between fetches for unknown ones
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly JsonDocumentOptions Unique = new() { AllowDuplicateProperties = false };
    private static readonly JsonSerializerOptions Typed = new(JsonSerializerOptions.Strict)
        { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip };
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false })
    {
        BaseAddress = new((options.Url ?? options.Issuer).TrimEnd('/') + "/"), // it may be below a path
        DefaultRequestHeaders = { Authorization = Basic(options.ClientId ?? options.Audience, options.ClientSecret!) },
        Timeout = TimeSpan.FromSeconds(Patience),
    };
    private readonly ConcurrentDictionary<string, (long NotBefore, long Expires)> _revoked = new(); // by id
    private readonly ConcurrentDictionary<string, int> _refusals = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _snapshot = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _patience = Task.Delay(Patience * 1000);
    private readonly SemaphoreSlim _fetching = new(1), _acknowledging = new(1);
    private double _freshAt, _hintAt, _keysAt = double.NegativeInfinity, _missAt = double.NegativeInfinity; // by Clock
    private long? _cursor, _acknowledged;
    private int _introspections;
    private bool _connected;
    private string? _lastError;

    internal Dictionary<string, SecurityKey> Keys { get; private set; } = [];
    private static double Clock => Environment.TickCount64 / 1000.0;
    private double? FeedAge => _cursor is null ? null : Clock - _freshAt;
    private long Now => options.Time.GetUtcNow().ToUnixTimeSeconds();

    public GatehouseStats Stats() =>
        new(_connected, _cursor, FeedAge, _revoked.Count, _refusals.ToDictionary(), _introspections, _lastError);
    Task IHostedService.StartAsync(CancellationToken _) => Task.FromResult(FollowAsync());
    Task IHostedService.StopAsync(CancellationToken _) => _stop.CancelAsync();
    public void Dispose() => _stop.Cancel();

    /// <summary>The library's verdict, or a <see cref="Refused"/> for what else is against the token.</summary>
    public override async Task<TokenValidationResult> ValidateTokenAsync(string token, TokenValidationParameters how)
    {
        try
        {
            var (keyId, claims) = ReadStrictly(token);
            await Task.WhenAny(_snapshot.Task, _patience);
            if (!Keys.ContainsKey(keyId)) await RunAsync(_fetching, () => FetchKeysAsync(keyId));
            if (!Keys.ContainsKey(keyId)) throw new Refused("unknown_key");
            var verdict = await base.ValidateTokenAsync(token, how);
            if (verdict.Exception is SecurityTokenInvalidAudienceException) throw new Refused("audience");
            if (!verdict.IsValid) throw new Refused("signature");
            foreach (var (who, id) in new[] { ("key", keyId), ("session", claims.Sid), ("user", claims.Sub) })
                if (claims.Iat <= _revoked.GetValueOrDefault(id).NotBefore) throw new Refused(who + "_revoked");
            if (FeedAge <= options.StaleAfter.TotalSeconds || options.WhenStale == WhenStale.Accept) return verdict;
            if (options.WhenStale == WhenStale.Refuse) throw new Refused("stale");
            return await IsActiveAsync(token) ? verdict : throw new Refused("inactive");
        }
        catch (Exception e)
        {
            var refused = e as Refused ?? new Refused("malformed");
            _refusals.AddOrUpdate(refused.Reason, 1, (_, count) => count + 1);
            return new() { Exception = refused };
        }
    }

    private async Task<bool> IsActiveAsync(string token) // the answer is for this request alone
    {
        Interlocked.Increment(ref _introspections);
        try
        {
            using var form = new FormUrlEncodedContent([new("token", token)]);
            using var answer = (await _http.PostAsync("connect/introspect", form)).EnsureSuccessStatusCode();
            return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("active").GetBoolean();
        }
        catch { throw new Refused("introspection_failed"); }
    }

    // The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s.
    private async Task FollowAsync()
    {
        for (var failures = 0; !_stop.IsCancellationRequested; failures++)
        {
            try
            {
                using var silence = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                silence.CancelAfter(Silence * 1000);
                var path = $"events?instance={options.Instance}&cursor={_cursor}";
                using var feed = await _http.GetStreamAsync(path, silence.Token);
                var (chunk, line) = (new byte[8192], new MemoryStream());
                for (int read; (read = await feed.ReadAsync(chunk, silence.Token)) > 0;)
                {
                    silence.CancelAfter(Silence * 1000); // whatever comes: a snapshot is one line, and may take longer
                    foreach (var one in chunk.AsSpan(0, read))
                    {
                        line.WriteByte(one);
                        if (one != '\n') continue;
                        var text = line.GetBuffer().AsSpan(0, (int)line.Length);
                        line.SetLength(0);
                        if (!text.StartsWith("data:"u8)) continue;
                        Receive(JsonSerializer.Deserialize<Message>(text[5..], JsonSerializerOptions.Web)!);
                        failures = 0;
                    }
                }
            }
            catch (Exception e) { _lastError = e.Message; }
            _connected = false;
            var pause = Math.Min(2000, 100 << Math.Min(failures, 5)) * Random.Shared.Next(50, 101) / 100;
            await Task.Delay(pause, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Receive(Message message) // what is held is never forgiven
    {
        foreach (var (_, sub, sid, kid, reason, notBefore, _, _, expires) in message.Events ?? [message])
        {
            if (kid is not null) _hintAt = Clock;
            if ((kid ?? sid ?? sub) is not { } id || (kid is not null && reason != "revoked")) continue;
            var until = (kid ?? sid) is null ? notBefore ?? 0 : long.MaxValue;
            _revoked.AddOrUpdate(id, (until, expires), (_, held) => until < held.NotBefore ? held : (until, expires));
        }
        if (message.Type is null) // a snapshot or a heartbeat: nothing is missing up to here
        {
            _freshAt = Clock;
            foreach (var gone in _revoked.Where(held => held.Value.Expires + Slack < Now)) _revoked.TryRemove(gone);
        }
        (_cursor, _connected) = (message.Cursor, true);
        if (_fetching.CurrentCount > 0) _ = RunAsync(_fetching, () => FetchKeysAsync());
        _ = RunAsync(_acknowledging, AcknowledgeAsync);
        _snapshot.TrySetResult();
    }

    // Each errand is in nobody's way and one at a time. What fails is tried again at the next heartbeat.
    private async Task RunAsync(SemaphoreSlim turn, Func<Task> errand)
    {
        await turn.WaitAsync();
        try { await errand(); }
        catch (Exception e) { _lastError = e.Message; }
        finally { turn.Release(); }
    }

    private async Task FetchKeysAsync(string? missing = null) // all, so that the next is here before its first use
    {
        var now = Clock;
        var isDue = missing is null ? _keysAt <= _hintAt || now - _keysAt > KeysAge
            : !Keys.ContainsKey(missing) && now - _missAt > KeysPause;
        if (!isDue) return;
        if (missing is not null) _missAt = now;
        var published = new JsonWebKeySet(await _http.GetStringAsync(".well-known/jwks.json")).Keys;
        Keys = published.Where(k => k.Crv == "P-256").ToDictionary(k => k.Kid, SecurityKey (k) => k);
        _keysAt = now;
    }

    private async Task AcknowledgeAsync() // what is applied by now
    {
        if (_cursor is not { } cursor || cursor == _acknowledged) return;
        using var answer = await _http.PostAsJsonAsync("events/ack", new { cursor, instance = options.Instance });
        answer.EnsureSuccessStatusCode();
        _acknowledged = cursor;
    }

    // The bearer token decides alone (RFC 6750 section 2.1); without one, the cookie's: base64 of {"jwt":"…"}.
    internal string? ReadCredentials(HttpRequest request)
    {
        var authorization = request.Headers.Authorization.ToString();
        if (authorization.StartsWith("bearer ", StringComparison.OrdinalIgnoreCase)) return authorization[7..];
        if (authorization.Contains("bearer", StringComparison.OrdinalIgnoreCase)) return "malformed";
        var pairs = request.Headers.Cookie.ToString().Split([';', ',']).Select(pair => pair.Trim().Split('=', 2));
        var values = pairs.Where(pair => pair[0] == options.Cookie).Select(pair => pair.Last()).Distinct().ToList();
        if (values is not [var value]) return values.Count == 0 ? null : "malformed"; // two that differ: tampering
        try
        {
            var utf8 = Convert.FromBase64String(value);
            return Convert.ToBase64String(utf8) == value ? Read<Cookie>(utf8).Jwt : "malformed";
        }
        catch { return "malformed"; }
    }

    // The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2.
    private (string KeyId, Claims Claims) ReadStrictly(string token)
    {
        if (token.Length > LongestToken || token.Split('.') is not { Length: 3 } parts) throw new Refused("malformed");
        byte[][] decoded = [.. parts.Select(part => Base64Url.DecodeFromChars(part))];
        var spelling = string.Join('.', decoded.Select(part => Base64Url.EncodeToString(part)));
        if (spelling != token) throw new Refused("malformed"); // one token has one spelling
        var (header, claims) = (Read<Header>(decoded[0]), Read<Claims>(decoded[1]));
        if (header is not { Alg: "ES256", Typ: "at+jwt", Crit.ValueKind: 0 }) throw new Refused("header");
        if (claims.Iss != options.Issuer) throw new Refused("issuer");
        var begins = Math.Max(claims.Iat, claims.Nbf);
        if (claims.Sub == "" || claims.Id != claims.Sub) throw new Refused("claims");
        if (claims.Exp + Skew <= Now) throw new Refused("expired");
        if (begins - Skew > Now) throw new Refused("not_yet_valid");
        if (claims.Exp <= begins || claims.Exp - claims.Iat > LongestLife) throw new Refused("claims");
        return (header.Kid, claims);
    }

    // One JSON object in UTF-8 in which no member is named twice, at any depth, with what T has, and in its types.
    private static T Read<T>(byte[] utf8) where T : class =>
        JsonElement.Parse(Utf8.GetString(utf8), Unique).Deserialize<T>(Typed) ?? throw new Refused("malformed");

    private static AuthenticationHeaderValue Basic(params string[] credentials) => // RFC 6749 section 2.3.1
        new("Basic", Convert.ToBase64String(Utf8.GetBytes(string.Join(':', credentials.Select(Uri.EscapeDataString)))));

    private sealed record Cookie(string Jwt);
    private sealed record Header(string Alg, string Typ, string Kid, JsonElement Crit = default);
    private sealed record Claims(string Iss, string Sub, string Id, string Sid, long Iat, long Exp, long Nbf = 0);
    private sealed record Message(
        string? Type, string? Sub, string? Sid, string? Kid, string? Reason, long? NotBefore, long Cursor,
        Message[]? Events, long Expires = long.MaxValue);
}
