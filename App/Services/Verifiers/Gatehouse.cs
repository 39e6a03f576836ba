// Gatehouse verifier for ASP.NET Core 10: checks access tokens in this process, hears of sign-outs within moments.
// One file, yours to keep and to change. It needs the package Microsoft.AspNetCore.Authentication.JwtBearer 10.
//   builder.Services.AddAuthentication().AddGatehouse(o => (o.Issuer, o.Audience) = ("https://id.test", "orders"));
//   app.MapGet("/orders", (ClaimsPrincipal user) => user.FindFirst("email")!.Value).RequireAuthorization();
#nullable enable
using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Gatehouse;

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

public sealed record GatehouseStats(bool Connected, long? Cursor, double? FeedAgeSeconds, int RevocationsHeld,
    IReadOnlyDictionary<string, int> Refusals, int Introspections, string? LastError); // null: nothing yet
public enum WhenStale { Introspect, Refuse, Accept }

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
            throw new ArgumentException("It needs Issuer, Audience, GATEHOUSE_CLIENT_SECRET, a StaleAfter above 0.");
        var gate = new GatehouseVerifier(options);
        auth.Services.AddSingleton(gate).AddHostedService(_ => gate);
        return auth.AddJwtBearer(jwt => jwt.Events = new() { OnMessageReceived = gate.JudgeAsync });
    }
}

/// <summary>Follows one Gatehouse for one service, and judges tokens by what it has heard.</summary>
public sealed class GatehouseVerifier(GatehouseOptions options) : BackgroundService
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerOptions.Strict)
    { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, UnmappedMemberHandling = default }; // unknown ones are skipped
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false })
    {
        BaseAddress = new((options.Url ?? options.Issuer).TrimEnd('/') + "/"), Timeout = TimeSpan.FromSeconds(5),
        DefaultRequestHeaders = { { "Cache-Control", "no-cache" }, { "Authorization", "Basic " + Convert.ToBase64String(
            Encoding.ASCII.GetBytes(Uri.EscapeDataString(options.ClientId ?? options.Audience) + ":" +
            Uri.EscapeDataString(options.ClientSecret!))) } },
    };
    private readonly Regex _cookie = new($@"(?:^|[;,])\s*{Regex.Escape(options.Cookie)}=([^;,]*)");
    private readonly ConcurrentDictionary<string, (long NotBefore, double Expires)> _revoked = new(); // by id
    private readonly ConcurrentDictionary<string, int> _refusals = new(); // by reason
    private readonly SemaphoreSlim _following = new(1), _fetching = new(1), _acknowledging = new(1);
    private long _waitUntil = long.MaxValue, _freshAt, _hintAt, _keysAt = -1, _missAt = -30_000, _pause; // ms
    private Dictionary<string, AsymmetricSignatureProvider> _keys = []; // by id
    private (bool Connected, bool Stopped, long? Cursor, long? Acked, int Introspections, string? LastError) _state;
    private long Now => options.Time.GetUtcNow().ToUnixTimeSeconds();
    private double? FeedAge => _freshAt == 0 ? null : (Environment.TickCount64 - _freshAt) / 1000.0;
    public GatehouseStats Stats() => new(_state.Connected, _state.Cursor, FeedAge, _revoked.Count,
        _refusals.ToDictionary(), _state.Introspections, _state.LastError);

    internal async Task JudgeAsync(MessageReceivedContext message) // to JwtBearer is left what it answers the refused
    {
        try { await CheckAsync(message); }
        catch (Refused refused) { message.Fail(refused); }
        catch { message.Fail(new Refused(message.Principal is null ? "malformed" : "introspection_failed")); }
        if (message.Result?.Failure is Refused why) _refusals.AddOrUpdate(why.Reason, 1, (_, count) => count + 1);
    }

    private async Task CheckAsync(MessageReceivedContext message) // its one spelling, signature, what is heard of it
    {
        if (ReadCredentials(message.Request.Headers) is not { } token) return; // nobody, and some endpoint may be open
        byte[][] parts = [.. token.Split('.').Select(Base64UrlEncoder.DecodeBytes)]; // RFC 7515, 8725, 9068
        var (spelling, jwt) = (string.Join('.', parts.Select(Base64UrlEncoder.Encode)), new JsonWebToken(token));
        if (token.Length > 8192 || spelling != token || parts.Length != 3) throw new Refused("malformed");
        var (header, (iss, sub, id, sid, iat, exp, nbf)) = (Read<Header>(parts[0]), Read<Claims>(parts[1]));
        if (header != new Header("ES256", "at+jwt", header.Kid)) throw new Refused("header"); // nothing to process
        if (iss != options.Issuer) throw new Refused("issuer");
        if (!jwt.Audiences.Contains(options.Audience)) throw new Refused("audience");
        if (id != sub || id == "" || sid == "" || exp <= nbf || exp - iat is < 1 or > 3600) throw new Refused("claims");
        if (exp + 30 <= Now) throw new Refused("expired"); // clocks may differ by so many seconds
        if (Math.Max(iat, nbf) - 30 > Now) throw new Refused("not_yet_valid");
        while (FeedAge is null && Environment.TickCount64 < _waitUntil) await Task.Delay(20); // for a heartbeat
        if (!_keys.ContainsKey(header.Kid)) await RunAsync(_fetching, () => FetchKeysAsync(header.Kid));
        var key = _keys.GetValueOrDefault(header.Kid) ?? throw new Refused("unknown_key");
        if (!key.Verify(Encoding.ASCII.GetBytes(token[..^87]), parts[2])) throw new Refused("signature"); // of 64 bytes
        foreach (var (who, its) in new[] { ("key", header.Kid), ("session", sid), ("user", sub) })
            if (iat <= _revoked.GetValueOrDefault(its).NotBefore) throw new Refused(who + "_revoked");
        message.Principal = new(new CaseSensitiveClaimsIdentity(jwt.Claims, "Bearer", "name", "roles"));
        message.Properties.ExpiresUtc = jwt.ValidTo; // this and the next as JwtBearer does
        message.Properties.StoreTokens([new() { Name = "access_token", Value = token }]);
        if (!(FeedAge <= options.StaleAfter.TotalSeconds) && options.WhenStale != WhenStale.Accept)
        {
            if (options.WhenStale == WhenStale.Refuse) throw new Refused("stale");
            Interlocked.Increment(ref _state.Introspections); // the answer is for this request alone
            var answer = await _http.PostAsync("connect/introspect", new FormUrlEncodedContent([new("token", token)]));
            var told = await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>();
            if (!told.GetProperty("active").GetBoolean()) throw new Refused("inactive");
        }
        message.Success();
    }

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        _waitUntil = Environment.TickCount64 + 5000; // not before: what the host does until here may take longer
        while (!(_state.Stopped = stop.IsCancellationRequested)) await RunAsync(_following, () => FollowAsync(stop));
        await RunAsync(_acknowledging, () => AcknowledgeAsync(leaving: true));
    }

    private async Task FollowAsync(CancellationToken stop) // a snapshot, each new event, and a heartbeat every 5 s
    {
        (_pause, _state.Connected) = (_state.Connected ? 100 : Math.Min(2000, (2 * _pause) + 100), false);
        await Task.Delay(TimeSpan.FromMilliseconds(_pause * (0.5 + (Random.Shared.NextDouble() / 2))), stop);
        using var feed = await _http.GetStreamAsync($"events?instance={options.Instance}&cursor={_state.Cursor}", stop);
        var (chunk, line) = (new byte[8192], new MemoryStream()); // a snapshot is one line and may take minutes
        while (await feed.ReadAsync(chunk, stop).AsTask().WaitAsync(TimeSpan.FromSeconds(12), stop) is > 0 and var read)
            foreach (var one in chunk.AsSpan(0, read))
                if (one != '\n') line.WriteByte(one);
                else { Receive(line.GetBuffer().AsSpan(0, (int)line.Length)); line.SetLength(0); }
    }

    private void Receive(ReadOnlySpan<byte> line) // what is held is never forgiven
    {
        if (!line.StartsWith("data:"u8)) return;
        var message = JsonSerializer.Deserialize<Message>(line[5..], JsonSerializerOptions.Web)!;
        foreach (var e in message.Events ?? [message])
        {
            if (e.Kid is not null) _hintAt = Environment.TickCount64;
            if ((e.Kid ?? e.Sid ?? e.Sub) is not { } id || (e.Kid is not null && e.Reason != "revoked")) continue;
            var (until, old) = ((e.Kid ?? e.Sid) is null ? e.NotBefore : long.MaxValue, _revoked.GetValueOrDefault(id));
            if (until >= old.NotBefore) _revoked[id] = (until, e.Kid is null ? e.Expires : until); // the key may stay
        }
        (_state.Cursor, _state.Connected) = (message.Cursor, true);
        if (_fetching.CurrentCount > 0) _ = RunAsync(_fetching, () => FetchKeysAsync());
        _ = RunAsync(_acknowledging, () => AcknowledgeAsync());
        if (message is not { Type: null, Events: null }) return; // else a heartbeat: nothing is missing up to here
        _freshAt = Environment.TickCount64;
        foreach (var gone in _revoked.Where(held => held.Value.Expires < Now - 900)) _revoked.TryRemove(gone);
    }

    private async Task RunAsync(SemaphoreSlim turn, Func<Task> errand) // one at a time; what fails is tried again
    {
        await turn.WaitAsync();
        try { await errand(); } catch (Exception e) { _state.LastError = e.Message; } finally { turn.Release(); }
    }

    private async Task FetchKeysAsync(string? missing = null) // all, so that the next is here before its first use
    {
        var now = Environment.TickCount64;
        if (missing is null && _keysAt >= _hintAt && now < _keysAt + 300_000) return;
        if (missing is not null && (_keys.ContainsKey(missing) || now <= _missAt + 30_000)) return;
        if (missing is not null) _missAt = _hintAt = now; // strangers make up ids
        var published = await _http.GetStringAsync(".well-known/jwks.json");
        var all = new JsonWebKeySet(published).Keys.Where(k => k.Crv == "P-256");
        (_keys, _keysAt) = (all.ToDictionary(k => k.Kid, k => new AsymmetricSignatureProvider(k, "ES256")), now);
    }

    private async Task AcknowledgeAsync(bool leaving = false) // what is applied by now
    {
        var (cursor, instance) = (_state.Cursor ?? 0, options.Instance);
        if (!leaving && (_state.Stopped || cursor == _state.Acked)) return;
        (await _http.PostAsJsonAsync("events/ack", new { cursor, instance, leaving })).EnsureSuccessStatusCode();
        _state.Acked = cursor;
    }

    private string? ReadCredentials(IHeaderDictionary headers) // a bearer token, else a cookie: base64 of {"jwt":"…"}
    {
        var bearer = Regex.Match(string.Join(',', [.. headers.Authorization]), "(?is)^bearer +(.*)|bearer");
        if (bearer.Success) return bearer.Groups[1].Value; // it decides alone (RFC 6750 section 2.1)
        var found = _cookie.Matches(string.Join(';', [.. headers.Cookie])).ToLookup(one => one.Value[0] == ',');
        var values = found[!found.Contains(false)].Select(one => one.Groups[1].Value.TrimEnd()).Distinct().ToList();
        return values.Count == 0 ? null : Convert.FromBase64String(values.Single()) is var utf8 // two: tampering
            && Convert.ToBase64String(utf8) == values[0] ? Read<JsonElement>(utf8).GetProperty("jwt").ToString() : "";
    }

    private static T Read<T>(byte[] utf8) => JsonSerializer // one object, no member twice at any depth, T's types
        .Deserialize<JsonElement>(new UTF8Encoding(false, true).GetString(utf8), Strict).Deserialize<T>(Strict)!;
    private sealed record Header(string Alg, string Typ, string Kid, JsonElement Crit = default,
        JsonElement B64 = default, JsonElement Zip = default);
    private sealed record Claims(string Iss, string Sub, string Id, string Sid, long Iat, long Exp, long Nbf = 0);
    private sealed record Message(string? Type, string? Sub, string? Sid, string? Kid, string? Reason,
        long NotBefore, long Cursor, Message[]? Events, double Expires = double.MaxValue);
}
