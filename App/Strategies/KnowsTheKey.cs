using Microsoft.IdentityModel.Tokens;

namespace App.Strategies;

/// <summary>
/// What many services do and call it done: the framework's own check with our public key, and no feed. It is here for comparison:
/// it believes a token until that expires.
/// </summary>
internal sealed class KnowsTheKey(Line line, Neighbour us) : IDisposable
{
    private readonly HttpClient _client = new(line.NewEnd()) { BaseAddress = us.Url };
    private volatile IReadOnlyList<SecurityKey> _keys = [];

    /// <summary>All that it ever asks of us.</summary>
    public async Task FetchKeysAsync(CancellationToken ct) => _keys = [.. new JsonWebKeySet(await _client.GetStringAsync("/.well-known/jwks.json", ct)).Keys];

    public Task<LoopbackHost> StartAsync(CancellationToken ct) => LoopbackHost.StartAsync(
        services => services.AddAuthentication().AddJwtBearer(jwt =>
        {
            jwt.MapInboundClaims = false;
            jwt.TokenValidationParameters = new TokenValidationParameters
            {
                ValidIssuer = us.Issuer,
                ValidAudience = us.Audience,
                ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
                ValidTypes = ["at+jwt"],
                ClockSkew = Tokens.TokenOptions.ClockSkew,
                IssuerSigningKeyResolver = (_, _, kid, _) => _keys.Where(key => key.KeyId == kid),
            };
        }),
        ChecksItself.AnswerTheKnown, ct);

    public void Dispose() => _client.Dispose();
}
