// Gatehouse verifier for ASP.NET Core 10: checks access tokens in this process, hears of sign-outs within moments.
// One file, yours to keep and to change. It needs the package Microsoft.AspNetCore.Authentication.JwtBearer 10.
//
//   builder.Services.AddAuthentication().AddGatehouse(o => (o.Issuer, o.Audience) = ("https://id.test", "orders"));
//   app.MapGet("/orders", (ClaimsPrincipal user) => user.FindFirst("email")!.Value).RequireAuthorization();
#nullable enable
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net.ServerSentEvents;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
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
        string.Concat($"{Environment.MachineName}-{Environment.ProcessId}".Select(AsAllowed).TakeLast(64));
    public string Cookie { get; set; } = "session"; // name of the session cookie
    public TimeProvider Time { get; set; } = TimeProvider.System; // the clock that tokens are judged by
    private static char AsAllowed(char c) => char.IsAsciiLetterOrDigit(c) ? c : '-';
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
        var gate = new GatehouseVerifier(options);
        auth.Services.AddSingleton(gate).AddHostedService(_ => gate);
        return auth.AddJwtBearer(jwt =>
        {
            jwt.TokenHandlers.Clear();
            jwt.TokenHandlers.Add(new GatehouseTokenHandler(gate));
            jwt.TokenValidationParameters = new()
            {
                ValidIssuer = options.Issuer,
                ValidAudience = options.Audience,
                ValidAlgorithms = ["ES256"],
                IssuerSigningKeyResolver = (_, _, keyId, _) => gate.Keys.TryGetValue(keyId, out var key) ? [key] : [],
                ValidateLifetime = false, // the strict check does that, by the clock of the options
                NameClaimType = "name",
                RoleClaimType = "roles",
            };
            jwt.Events = new() { OnMessageReceived = m => Task.FromResult(m.Token = gate.ReadCredentials(m.Request)) };
        });
    }
}

/// <summary>Asks the library about the signature, and the verifier about everything else.</summary>
internal sealed class GatehouseTokenHandler(GatehouseVerifier gate) : JsonWebTokenHandler
{
    public override Task<TokenValidationResult> ValidateTokenAsync(string token, TokenValidationParameters how) =>
        gate.CheckAsync(token, () => base.ValidateTokenAsync(token, how));
}

/// <summary>Follows one Gatehouse for one service.</summary>
public sealed class GatehouseVerifier : BackgroundService
{
    private const int Skew = 30, Slack = 900; // s by which two clocks may differ, and by which one may jump
    private const int LongestLife = 3600; // s that a token of ours may live
    private const int LongestToken = 8192; // characters
    private const int Patience = 5; // s for any answer, and that the first tokens wait for the feed's snapshot
    private const int Silence = 12; // s without data after which the feed is opened anew
    private const int KeysAge = 300; // s after which the keys are fetched again in the background
    private const int KeysPause = 30; // s between two fetches that unknown key ids in tokens may cause
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly JsonDocumentOptions Unique = new() { AllowDuplicateProperties = false };
    private static readonly JsonSerializerOptions Typed = new(JsonSerializerOptions.Strict)
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip,
    };
    private readonly GatehouseOptions _options;
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private readonly ConcurrentDictionary<string, (long NotBefore, long Expires)> _revoked = new(); // by kind and id
    private readonly ConcurrentDictionary<string, int> _refusals = new();
    private readonly Task _start = Task.Delay(Patience * 1000);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _errand = new(1);
    private double _freshAt, _keysAt = double.NegativeInfinity, _missAt = double.NegativeInfinity; // by Clock
    private long? _cursor, _acknowledged;
    private int _introspections;
    private bool _connected;
    private string? _lastError;

    internal GatehouseVerifier(GatehouseOptions options)
    {
        if (options is { Issuer: "" } or { Audience: "" } or { ClientSecret: null or "" })
            throw new ArgumentException("Gatehouse needs Issuer, Audience and ClientSecret.");
        if (options.StaleAfter <= TimeSpan.Zero) throw new ArgumentException("Gatehouse: StaleAfter must be above 0.");
        _options = options;
        string[] credentials = [options.ClientId ?? options.Audience, options.ClientSecret]; // RFC 6749 section 2.3.1
        var basic = Encoding.UTF8.GetBytes(string.Join(':', credentials.Select(Uri.EscapeDataString)));
        _http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(basic));
        _http.BaseAddress = new(options.Url ?? options.Issuer);
        _http.Timeout = TimeSpan.FromSeconds(Patience);
    }

    internal Dictionary<string, SecurityKey> Keys { get; private set; } = [];
    private static double Clock => Environment.TickCount64 / 1000.0;
    private double? FeedAge => _cursor is null ? null : Clock - _freshAt;
    private long Now => _options.Time.GetUtcNow().ToUnixTimeSeconds();

    public GatehouseStats Stats() =>
        new(_connected, _cursor, FeedAge, _revoked.Count, _refusals.ToDictionary(), _introspections, _lastError);

    internal async Task<TokenValidationResult> CheckAsync(string token, Func<Task<TokenValidationResult>> askLibrary)
    {
        try
        {
            var (keyId, claims) = ReadToken(token);
            await Task.WhenAny(_ready.Task, _start);
            if (!Keys.ContainsKey(keyId)) await RunAsync(() => LookForAsync(keyId));
            if (!Keys.ContainsKey(keyId)) throw new Refused("unknown_key");
            var result = await askLibrary();
            if (!result.IsValid) throw new Refused("signature");
            foreach (var who in new[] { "key " + keyId, "session " + claims.Sid, "user " + claims.Sub })
                if (_revoked.TryGetValue(who, out var held) && claims.Iat <= held.NotBefore)
                    throw new Refused(who.Split(' ')[0] + "_revoked");
            if (FeedAge <= _options.StaleAfter.TotalSeconds || _options.WhenStale == WhenStale.Accept) return result;
            if (_options.WhenStale == WhenStale.Refuse) throw new Refused("stale");
            Interlocked.Increment(ref _introspections); // the answer is for this request alone
            return await IsActiveAsync(token) ? result : throw new Refused("inactive");
        }
        catch (Refused refused)
        {
            _refusals.AddOrUpdate(refused.Reason, 1, (_, count) => count + 1);
            return new() { Exception = refused };
        }
    }

    private async Task<bool> IsActiveAsync(string token)
    {
        using var form = new FormUrlEncodedContent([new("token", token)]);
        try
        {
            using var answer = (await _http.PostAsync("/connect/introspect", form)).EnsureSuccessStatusCode();
            return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("active").GetBoolean();
        }
        catch { throw new Refused("introspection_failed"); }
    }

    // The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s.
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var failures = 0; !stoppingToken.IsCancellationRequested; failures++)
        {
            try
            {
                using var silence = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
                silence.CancelAfter(Silence * 1000);
                using var request = new HttpRequestMessage(HttpMethod.Get, "/events?instance=" + _options.Instance);
                if (_cursor is { } cursor) request.Headers.Add("Last-Event-ID", $"{cursor}");
                const HttpCompletionOption Streamed = HttpCompletionOption.ResponseHeadersRead;
                using var answer = await _http.SendAsync(request, Streamed, silence.Token);
                using var feed = await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(silence.Token);
                await foreach (var item in SseParser.Create(feed).EnumerateAsync(silence.Token))
                {
                    silence.CancelAfter(Silence * 1000);
                    Receive(JsonSerializer.Deserialize<Message>(item.Data, JsonSerializerOptions.Web)!);
                    failures = 0;
                }
            }
            catch (Exception e) { _lastError = e.Message; }
            _connected = false;
            var pause = Math.Min(2000, 100 << Math.Min(failures, 5)) * RandomNumberGenerator.GetInt32(50, 101) / 100;
            await Task.Delay(pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Receive(Message message)
    {
        foreach (var entry in message.Events ?? [message]) Apply(entry);
        if (message.Type is null) // a snapshot or a heartbeat: nothing is missing up to here
        {
            _freshAt = Clock;
            foreach (var gone in _revoked.Where(held => held.Value.Expires + Slack < Now)) _revoked.TryRemove(gone);
        }
        (_cursor, _connected) = (message.Cursor, true);
        _ = RunAsync(KeepKeysAsync);
        _ = RunAsync(AcknowledgeAsync);
        _ready.TrySetResult();
    }

    private void Apply(Message entry) // what is held is never forgiven
    {
        if (entry.Type == "signing-key-changed") _keysAt = double.NegativeInfinity;
        if (entry is { Kid: { } keyId, Reason: "revoked" }) Hold("key " + keyId, long.MaxValue);
        else if (entry.Sid is { } session) Hold("session " + session, long.MaxValue);
        else if (entry is { Sub: { } user, NotBefore: { } until }) Hold("user " + user, until);

        void Hold(string who, long until) => _revoked.AddOrUpdate(
            who, (until, entry.Expires), (_, held) => until < held.NotBefore ? held : (until, entry.Expires));
    }

    // One at a time and in nobody's way; what fails is tried again at the next heartbeat.
    private async Task RunAsync(Func<Task> errand)
    {
        await _errand.WaitAsync();
        try { await errand(); }
        catch (Exception e) { _lastError = e.Message; }
        finally { _errand.Release(); }
    }

    private async Task AcknowledgeAsync()
    {
        if (_cursor is not { } cursor || cursor == _acknowledged) return;
        using var answer = await _http.PostAsJsonAsync("/events/ack", new { cursor, instance = _options.Instance });
        answer.EnsureSuccessStatusCode();
        _acknowledged = cursor;
    }

    private async Task LookForAsync(string keyId)
    {
        if (Keys.ContainsKey(keyId) || Clock - _missAt < KeysPause) return;
        _missAt = Clock;
        await FetchKeysAsync();
    }

    private Task KeepKeysAsync() => Clock - _keysAt > KeysAge ? FetchKeysAsync() : Task.CompletedTask;

    // All that are published, so that the next one is here before its first use.
    private async Task FetchKeysAsync()
    {
        _keysAt = Clock;
        try
        {
            var published = new JsonWebKeySet(await _http.GetStringAsync("/.well-known/jwks.json")).Keys;
            Keys = published.Where(key => key.Crv == "P-256").ToDictionary(key => key.Kid, SecurityKey (key) => key);
        }
        catch
        {
            _keysAt = double.NegativeInfinity;
            throw;
        }
    }

    // The bearer token, which decides alone (RFC 6750 section 2.1), else the cookie's: base64 of {"jwt":"…"}.
    internal string? ReadCredentials(HttpRequest request)
    {
        var authorization = request.Headers.Authorization.ToString();
        const StringComparison IgnoreCase = StringComparison.OrdinalIgnoreCase;
        if (authorization.Contains("bearer", IgnoreCase))
            return authorization.StartsWith("Bearer ", IgnoreCase) ? authorization[7..] : "malformed";
        var pairs = request.Headers.Cookie.ToString().Split([';', ',']).Select(pair => pair.Trim().Split('=', 2));
        var values = pairs.Where(pair => pair[0] == _options.Cookie).Select(pair => pair.Last()).Distinct().ToList();
        if (values is not [var value]) return values.Count == 0 ? null : "malformed"; // two that differ: tampering
        try
        {
            var utf8 = Convert.FromBase64String(value);
            return Convert.ToBase64String(utf8) == value ? Read<Cookie>(utf8).Jwt : "malformed";
        }
        catch (Exception e) when (e is FormatException or Refused) { return "malformed"; }
    }

    // The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2.
    private (string KeyId, Claims Claims) ReadToken(string token)
    {
        if (token.Length > LongestToken || token.Split('.') is not { Length: 3 } parts) throw new Refused("malformed");
        var (header, claims, _) = (Read<Header>(Decode(parts[0])), Read<Claims>(Decode(parts[1])), Decode(parts[2]));
        if (header is not { Alg: "ES256", Typ: "at+jwt", Crit.ValueKind: 0 }) throw new Refused("header");
        if (claims.Iss != _options.Issuer) throw new Refused("issuer");
        var list = claims.Aud.ValueKind == JsonValueKind.Array;
        JsonElement[] audiences = list ? [.. claims.Aud.EnumerateArray()] : [claims.Aud];
        if (!audiences.Any(aud => aud.ValueKind == JsonValueKind.String && aud.ValueEquals(_options.Audience)))
            throw new Refused("audience");
        var begins = Math.Max(claims.Iat, claims.Nbf);
        if (claims.Sub == "" || claims.Id != claims.Sub) throw new Refused("claims");
        if (claims.Exp + Skew <= Now) throw new Refused("expired");
        if (begins - Skew > Now) throw new Refused("not_yet_valid");
        if (claims.Exp <= begins || claims.Exp - claims.Iat > LongestLife) throw new Refused("claims");
        return (header.Kid, claims);
    }

    private static byte[] Decode(string segment)
    {
        var bytes = new byte[segment.Length];
        Base64Url.DecodeFromChars(segment, bytes, out _, out var length);
        var spelling = Base64Url.EncodeToString(bytes.AsSpan(0, length));
        return spelling == segment ? bytes[..length] : throw new Refused("malformed"); // one value has one spelling
    }

    // One JSON object in UTF-8 in which no member is named twice, at any depth, with what T has, and in its types.
    private static T Read<T>(byte[] utf8)
    {
        try { return JsonElement.Parse(Utf8.GetString(utf8), Unique).Deserialize<T>(Typed) ?? throw new Refused(""); }
        catch { throw new Refused("malformed"); }
    }

    private sealed record Cookie(string Jwt);
    private sealed record Header(string Alg, string Typ, string Kid, JsonElement Crit = default);
    private sealed record Claims(
        string Iss, JsonElement Aud, string Sub, string Id, string Sid, long Iat, long Exp, long Nbf = 0);
    private sealed record Message(
        string? Type, string? Sub, string? Sid, string? Kid, string? Reason, long? NotBefore, long Cursor,
        Message[]? Events, long Expires = long.MaxValue);
}
