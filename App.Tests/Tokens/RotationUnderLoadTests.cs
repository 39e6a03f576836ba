using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Tokens;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace App.Tests.Tokens;

public sealed class RotationUnderLoadTests
{
    [Fact]
    public async Task Twenty_rotations_under_a_stream_of_requests_refuse_no_good_token_here_or_at_a_service_that_caches_the_keys()
    {
        await using var app = TestApp.Start(("Tokens:AccessTokenLifetime", "01:00:00"));
        var service = new CachingService(app);
        var wrong = new ConcurrentBag<string>();
        var kids = new ConcurrentDictionary<string, int>();
        var requests = 0;
        using var over = new CancellationTokenSource();

        var stream = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            var refresh = (await app.SignUpAsync()).RefreshToken;
            while (!over.IsCancellationRequested)
            {
                var answer = await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = refresh });
                var body = await answer.Content.ReadFromJsonAsync<JsonElement>();
                if (answer.StatusCode != HttpStatusCode.OK)
                {
                    wrong.Add($"refresh: {(int)answer.StatusCode}");
                    return;
                }

                refresh = body.GetProperty("refresh_token").GetString()!;
                var token = body.GetProperty("access_token").GetString()!;
                kids.AddOrUpdate(new JsonWebToken(token).Kid, 1, (_, n) => n + 1);
                for (var i = 0; i < 3; i++)
                {
                    var status = (await app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: token)).StatusCode;
                    if (status != HttpStatusCode.OK) wrong.Add($"here: {(int)status}");
                    if (await service.RefusesAsync(token) is { } reason) wrong.Add($"at the service: {reason}");
                    Interlocked.Increment(ref requests);
                }
            }
        })).ToList();

        for (var rotation = 0; rotation < 20; rotation++)
        {
            var seen = Volatile.Read(ref requests);
            // Else a key might be followed by the next before anybody has renewed under it.
            await SigningKeysTests.Eventually(() => (Volatile.Read(ref requests) > seen + 6 && kids.Count > rotation) || stream.All(s => s.IsCompleted));
            // A moment more than the keys may be cached for.
            app.Time.Advance(TimeSpan.FromSeconds(301));
            await using var output = new StringWriter();
            Assert.Equal(0, await KeyCommands.RunAsync(app.Services, ["rotate"], output, CancellationToken.None));
        }

        await over.CancelAsync();
        await Task.WhenAll(stream);
        Assert.Empty(wrong.Distinct());
        Assert.True(kids.Count >= 20, $"tokens of only {kids.Count} keys were seen");
        Assert.True(service.Fetches is >= 10 and <= 25, $"{service.Fetches} fetches");
    }

    /// <summary>A service as they come: verifies by kid with the stock library, takes the keys anew when Cache-Control says so, and never before.</summary>
    private sealed class CachingService(TestApp app)
    {
        private readonly SemaphoreSlim _one = new(1);
        private (DateTimeOffset Until, JsonWebKeySet Keys)? _cached;

        public int Fetches { get; private set; }

        public async Task<string?> RefusesAsync(string token)
        {
            var keys = await KeysAsync();
            var result = await new JsonWebTokenHandler().ValidateTokenAsync(token, new TokenValidationParameters
            {
                ValidIssuer = TestApp.Issuer,
                ValidAudience = TestApp.Audience,
                ValidTypes = ["at+jwt"],
                ValidAlgorithms = ["ES256"],
                IssuerSigningKeys = keys.GetSigningKeys(),
                TryAllIssuerSigningKeys = false,
                LifetimeValidator = (_, expires, _, _) => expires > app.Time.GetUtcNow().UtcDateTime,
            });
            return result.IsValid ? null : result.Exception.GetType().Name;
        }

        private async Task<JsonWebKeySet> KeysAsync()
        {
            await _one.WaitAsync();
            try
            {
                var now = app.Time.GetUtcNow();
                if (_cached is { } known && now <= known.Until) return known.Keys;
                var answer = await app.Client.GetAsync("/.well-known/jwks.json");
                _cached = (now + answer.Headers.CacheControl!.MaxAge!.Value, new JsonWebKeySet(await answer.Content.ReadAsStringAsync()));
                Fetches++;
                return _cached.Value.Keys;
            }
            finally
            {
                _one.Release();
            }
        }
    }
}
