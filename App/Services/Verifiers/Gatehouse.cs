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
using Microsoft.AspNetCore.Authentication.JwtBearer;
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

public sealed record GatehouseStats(
    bool Connected, long? Cursor, double? FeedAgeSeconds, int RevocationsHeld, // null before the first snapshot
    IReadOnlyDictionary<string, int> Refusals, int Introspections, string? LastError);

/// <summary>Why a token isn't good: one of a few fixed words, fit for a metric's label; it quotes no token.</summary>
public sealed class Refused(string reason) : Exception($"token refused: {reason}") { public string Reason => reason; }

public static class GatehouseExtensions
{
    /// <summary>Adds the scheme <c>Bearer</c>, a JwtBearer with our verdicts, and what follows the feed.</summary>
    public static AuthenticationBuilder AddGatehouse(this AuthenticationBuilder auth, Action<GatehouseOptions> setUp)
    {
        var options = new GatehouseOptions();
        setUp(options);
        if (options is { Issuer: "" } or { Audience: "" } or { ClientSecret: null or "" } or { StaleAfter.Ticks: <= 0 })
            throw new ArgumentException("Gatehouse needs Issuer, Audience, ClientSecret, and a StaleAfter above 0.");
        var gate = new GatehouseVerifier(options);
        auth.Services.AddSingleton(gate).AddHostedService(_ => gate);
        return auth.AddJwtBearer(jwt => jwt.Events = new() { OnMessageReceived = gate.JudgeAsync });
    }
}

/// <summary>Follows one Gatehouse for one service, and judges tokens by what it has heard.</summary>
public sealed class GatehouseVerifier(GatehouseOptions options) : BackgroundService
{
    private const int Skew = 30, Slack = 900; // s by which two clocks may differ, and by which one may jump
    private const int LongestLife = 3600, LongestToken = 8192; // s that a token of ours may live, and its characters
    private const int Patience = 5, Silence = 12; // s for an answer or the first snapshot; between words of the feed
    private const int KeysAge = 300, KeysPause = 30; // s until keys are fetched anew; between fetches for unknown ones
    private static readonly JsonSerializerOptions Typed = new(JsonSerializerOptions.Strict)
        { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip };
    private static readonly JsonDocumentOptions Unique = new() { AllowDuplicateProperties = false };
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false })
    {
        BaseAddress = new((options.Url ?? options.Issuer).TrimEnd('/') + "/"), // it may be below a path
        DefaultRequestHeaders = { Authorization = Basic(options.ClientId ?? options.Audience, options.ClientSecret!) },
        Timeout = TimeSpan.FromSeconds(Patience),
    };
    private readonly ConcurrentDictionary<string, (long NotBefore, long Expires)> _revoked = new(); // by id
    private readonly ConcurrentDictionary<string, int> _refusals = new();
    private readonly SemaphoreSlim _fetching = new(1), _acknowledging = new(1);
    private readonly CancellationTokenSource _ready = new(Patience * 1000); // or once the first snapshot is here
    private Dictionary<string, JsonWebKey> _keys = [];
    private double _freshAt, _hintAt, _keysAt = double.NegativeInfinity, _missAt = double.NegativeInfinity; // by Clock
    private long? _cursor, _acknowledged;
    private int _introspections;
    private bool _connected;
    private string? _lastError;

    private static double Clock => Environment.TickCount64 / 1000.0;
    private long Now => options.Time.GetUtcNow().ToUnixTimeSeconds();
    private double? FeedAge => _cursor is null ? null : Clock - _freshAt;
    public GatehouseStats Stats() =>
        new(_connected, _cursor, FeedAge, _revoked.Count, _refusals.ToDictionary(), _introspections, _lastError);

    // Whoever bears a good token is let in here, and all others are refused: to JwtBearer is left what it answers them.
    internal async Task JudgeAsync(MessageReceivedContext message)
    {
        var fault = "malformed"; // should anything break
        try
        {
            if (ReadCredentials(message.Request) is not { } token) return; // nobody, and some endpoint may be open
            var (keyId, claims) = ReadStrictly(token);
            await Task.Delay(-1, _ready.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_keys.ContainsKey(keyId)) await RunAsync(_fetching, () => FetchKeysAsync(keyId));
            var key = _keys.GetValueOrDefault(keyId) ?? throw new Refused("unknown_key");
            var verdict = await new JsonWebTokenHandler().ValidateTokenAsync(token, new() // what isn't yet judged
            {
                IssuerSigningKey = key, ValidAlgorithms = ["ES256"], ValidateIssuer = false, ValidateLifetime = false,
                ValidAudience = options.Audience, IgnoreTrailingSlashWhenValidatingAudience = false,
                NameClaimType = "name", RoleClaimType = "roles",
            });
            if (verdict.Exception is SecurityTokenInvalidAudienceException) throw new Refused("audience");
            if (!verdict.IsValid) throw new Refused("signature");
            foreach (var (who, id) in new[] { ("key", keyId), ("session", claims.Sid), ("user", claims.Sub) })
                if (claims.Iat <= _revoked.GetValueOrDefault(id).NotBefore) throw new Refused(who + "_revoked");
            var isStale = !(FeedAge <= options.StaleAfter.TotalSeconds);
            if (isStale && options.WhenStale == WhenStale.Refuse) throw new Refused("stale");
            if (isStale && options.WhenStale == WhenStale.Introspect)
            {
                fault = "introspection_failed";
                Interlocked.Increment(ref _introspections);
                using var form = new FormUrlEncodedContent([new("token", token)]);
                using var answer = (await _http.PostAsync("connect/introspect", form)).EnsureSuccessStatusCode();
                var told = await answer.Content.ReadFromJsonAsync<JsonElement>(); // it is for this request alone
                if (!told.GetProperty("active").GetBoolean()) throw new Refused("inactive");
            }
            message.Principal = new(verdict.ClaimsIdentity);
            message.Properties.ExpiresUtc = verdict.SecurityToken.ValidTo; // this and the next as JwtBearer does
            message.Properties.StoreTokens([new() { Name = "access_token", Value = token }]);
            message.Success();
        }
        catch (Exception e)
        {
            var refused = e as Refused ?? new Refused(fault);
            _refusals.AddOrUpdate(refused.Reason, 1, (_, count) => count + 1);
            message.Fail(refused);
        }
    }

    // The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s.
    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        for (var pause = 0; !stop.IsCancellationRequested; pause = Math.Min(2000, (2 * pause) + 100))
        {
            try
            {
                await Task.Delay(pause * Random.Shared.Next(50, 101) / 100, stop);
                using var silence = CancellationTokenSource.CreateLinkedTokenSource(stop);
                var path = $"events?instance={options.Instance}&cursor={_cursor}";
                using var feed = await _http.GetStreamAsync(path, silence.Token);
                var (chunk, line) = (new byte[8192], new MemoryStream());
                for (var read = 1; read > 0;)
                {
                    silence.CancelAfter(Silence * 1000); // whatever comes: a snapshot is one line, and may take longer
                    read = await feed.ReadAsync(chunk, silence.Token);
                    foreach (var one in chunk.AsSpan(0, read))
                        if (one != '\n') line.WriteByte(one);
                        else Receive(line);
                }
            }
            catch (Exception e) { _lastError = e.Message; }
            if (_connected) pause = 0;
            _connected = false;
        }
    }

    private void Receive(MemoryStream line) // what is held is never forgiven
    {
        var text = line.GetBuffer().AsSpan(0, (int)line.Length);
        line.SetLength(0);
        if (!text.StartsWith("data:"u8)) return;
        var message = JsonSerializer.Deserialize<Message>(text[5..], JsonSerializerOptions.Web)!;
        foreach (var e in message.Events ?? [message])
        {
            if (e.Kid is not null) _hintAt = Clock;
            if ((e.Kid ?? e.Sid ?? e.Sub) is not { } id || (e.Kid is not null && e.Reason != "revoked")) continue;
            var until = (e.Kid ?? e.Sid) is null ? e.NotBefore : long.MaxValue;
            if (until >= _revoked.GetValueOrDefault(id).NotBefore) _revoked[id] = (until, e.Expires);
        }
        if (message.Type is null) // a snapshot or a heartbeat: nothing is missing up to here
        {
            _freshAt = Clock;
            foreach (var gone in _revoked.Where(held => held.Value.Expires < Now - Slack)) _revoked.TryRemove(gone);
        }
        (_cursor, _connected) = (message.Cursor, true);
        if (_fetching.CurrentCount > 0) _ = RunAsync(_fetching, () => FetchKeysAsync());
        _ = RunAsync(_acknowledging, AcknowledgeAsync);
        _ = _ready.CancelAsync();
    }

    // Each errand is in nobody's way and one at a time. What fails is tried again at the next heartbeat.
    private async Task RunAsync(SemaphoreSlim turn, Func<Task> errand)
    {
        await turn.WaitAsync();
        try { await errand(); } catch (Exception e) { _lastError = e.Message; } finally { turn.Release(); }
    }

    private async Task FetchKeysAsync(string? missing = null) // all, so that the next is here before its first use
    {
        var now = Clock;
        var isDue = missing is null ? _keysAt <= _hintAt || now - _keysAt > KeysAge
            : !_keys.ContainsKey(missing) && now - _missAt > KeysPause;
        if (!isDue) return;
        if (missing is not null) _missAt = now;
        var published = new JsonWebKeySet(await _http.GetStringAsync(".well-known/jwks.json")).Keys;
        _keys = published.Where(key => key.Crv == "P-256").ToDictionary(key => key.Kid);
        _keysAt = now;
    }

    private async Task AcknowledgeAsync() // what is applied by now
    {
        var body = new { cursor = _cursor, instance = options.Instance };
        if (body.cursor == _acknowledged) return;
        using var answer = (await _http.PostAsJsonAsync("events/ack", body)).EnsureSuccessStatusCode();
        _acknowledged = body.cursor;
    }

    // The bearer token decides alone (RFC 6750 section 2.1); without one, the cookie's: base64 of {"jwt":"…"}.
    private string? ReadCredentials(HttpRequest request)
    {
        var authorization = request.Headers.Authorization.ToString();
        if (authorization.Contains("bearer", StringComparison.OrdinalIgnoreCase))
            return authorization.StartsWith("bearer ", StringComparison.OrdinalIgnoreCase) ? authorization[7..] : "";
        var pairs = request.Headers.Cookie.ToString().Split([';', ',']).Select(pair => pair.Trim().Split('=', 2));
        var values = pairs.Where(pair => pair[0] == options.Cookie).Select(pair => pair.Last()).Distinct().ToList();
        if (values is not [var value]) return values.Count == 0 ? null : ""; // two that differ: a sign of tampering
        var utf8 = Convert.FromBase64String(value);
        return Convert.ToBase64String(utf8) == value ? Read<Cookie>(utf8).Jwt : "";
    }

    // The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2.
    private (string KeyId, Claims Claims) ReadStrictly(string token)
    {
        if (token.Length > LongestToken || token.Split('.') is not { Length: 3 } parts) throw new Refused("malformed");
        byte[][] decoded = [.. parts.Select(part => Base64Url.DecodeFromChars(part))];
        var spelling = string.Join('.', decoded.Select(part => Base64Url.EncodeToString(part)));
        if (spelling != token) throw new Refused("malformed"); // one token has one spelling
        var (header, claims) = (Read<Header>(decoded[0]), Read<Claims>(decoded[1]));
        var begins = Math.Max(claims.Iat, claims.Nbf);
        if (header is not { Alg: "ES256", Typ: "at+jwt", Crit.ValueKind: 0 }) throw new Refused("header");
        if (claims.Iss != options.Issuer) throw new Refused("issuer");
        if (claims.Sub == "" || claims.Id != claims.Sub) throw new Refused("claims");
        if (claims.Exp + Skew <= Now) throw new Refused("expired");
        if (begins - Skew > Now) throw new Refused("not_yet_valid");
        if (claims.Exp <= begins || claims.Exp - claims.Iat > LongestLife) throw new Refused("claims");
        return (header.Kid, claims);
    }

    // One JSON object in UTF-8 in which no member is named twice, at any depth, with what T has, and in its types.
    private static T Read<T>(byte[] utf8) =>
        JsonElement.Parse(new UTF8Encoding(false, true).GetString(utf8), Unique).Deserialize<T>(Typed)!;

    private static AuthenticationHeaderValue Basic(string id, string secret) => new("Basic", Convert.ToBase64String(
        Encoding.ASCII.GetBytes($"{Uri.EscapeDataString(id)}:{Uri.EscapeDataString(secret)}"))); // RFC 6749, 2.3.1

    private sealed record Cookie(string Jwt);
    private sealed record Header(string Alg, string Typ, string Kid, JsonElement Crit = default);
    private sealed record Claims(string Iss, string Sub, string Id, string Sid, long Iat, long Exp, long Nbf = 0);
    private sealed record Message(string? Type, string? Sub, string? Sid, string? Kid, string? Reason,
        long NotBefore, long Cursor, Message[]? Events, long Expires = long.MaxValue);
}
