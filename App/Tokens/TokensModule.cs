using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using App.Data;
using App.Events;
using App.Ops;
using Microsoft.EntityFrameworkCore;
using Microsoft.IdentityModel.JsonWebTokens;

namespace App.Tokens;

/// <summary>A token is minted, a token is checked, keys come and go.</summary>
internal static partial class TokensModule
{
    public static IServiceCollection AddTokens(this IServiceCollection services)
    {
        services.AddSettings<TokenOptions>("Tokens");
        services.AddSingleton<SigningKeyRing>();
        services.AddSingleton<AccessTokens>();
        services.AddSingleton<TokenVerifier>();
        services.AddSingleton<DiscoveryDocument>();
        services.AddSingleton(SignerOfEvents);
        services.AddSingleton(FactsOf);
        services.AddScoped<SigningKeys>();
        services.AddSingleton<RotateOnSchedule>();
        services.AddHostedService(sp => sp.GetRequiredService<RotateOnSchedule>());
        services.AddSingleton(new StartStep(LoadKeysAsync));
        services.AddReadiness("database", async (sp, ct) =>
        {
            await using var scope = sp.CreateAsyncScope();
            return sp.GetRequiredService<WarmUp>().IsOver && await scope.ServiceProvider.GetRequiredService<AppDb>().Database.CanConnectAsync(ct);
        });
        services.AddReadiness("keys", (sp, _) => Task.FromResult(sp.GetRequiredService<SigningKeyRing>().IsLoaded));
        services.AddSingleton(new Command("keys", "keys list | rotate | revoke KID", KeyCommands.RunAsync));
        return services;
    }

    public static IEndpointRouteBuilder MapTokens(this IEndpointRouteBuilder routes)
    {
        var known = SameForEverybody.On(routes.MapGroup("/.well-known").WithTags("Keys").AllowAnonymous(), routes.ServiceProvider);
        known.MapGet("/jwks.json", WellKnown.Keys).Produces<object>(200, WellKnown.JwkSet).Produces(304).ProducesProblem(404);
        known.MapGet("/public-key.pem", WellKnown.Pem).Produces<string>(200, WellKnown.PemFile).Produces(304).ProducesProblem(404);
        known.MapGet("/openid-configuration", WellKnown.Configuration).Produces<object>(200, "application/json").Produces(304);
        return routes;
    }

    private static TokenFacts FactsOf(IServiceProvider services)
    {
        var options = services.GetRequiredService<TokenOptions>();
        return new TokenFacts(options.Audience, options.AccessTokenLifetime, TokenOptions.LongestLifetime, TokenOptions.ClockSkew, options.SharedSecret is not null);
    }

    // A type of its own (RFC 8417 section 2.3): nobody who checks the type takes an event for an access token.
    private static SetSigner SignerOfEvents(IServiceProvider services)
    {
        var ring = services.GetRequiredService<SigningKeyRing>();
        var handler = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false };
        var type = new Dictionary<string, object> { ["typ"] = "secevent+jwt" };
        return new SetSigner(claims => handler.CreateToken(Encoding.UTF8.GetString(claims.Span), ring.Signing, type), () => ring.Signing.Key.KeyId ?? "");
    }

    // Makes the first keys where there are none and puts the ring in order.
    private static async Task LoadKeysAsync(IServiceProvider services, CancellationToken ct)
    {
        var ring = services.GetRequiredService<SigningKeyRing>();
        if (ring.IsShared)
        {
            SharedSecret(services.GetRequiredService<ILogger<SigningKeyRing>>());
            await DemandMasterKeyAsync(services, ct);
        }

        await ring.LoadAsync(ct);
        if (ring.IsLoaded) return;
        await using var scope = services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<SigningKeys>().EnsureAsync(ct);
        await ring.LoadAsync(ct);
    }

    // In migration mode no signing key is read at the start, and a wrong master key would be noticed only by those whose second factor is refused.
    private static async Task DemandMasterKeyAsync(IServiceProvider services, CancellationToken ct)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var masterKey = services.GetRequiredService<MasterKey>();
        var signing = await db.SigningKeys.Where(k => k.PrivateKey != null).Select(k => k.PrivateKey).FirstOrDefaultAsync(ct);
        var protection = await db.DataProtectionKeys.OrderByDescending(k => k.Id).Select(k => k.Xml).FirstOrDefaultAsync(ct);
        try
        {
            if (signing is not null) masterKey.Decrypt(signing, SigningKeys.Purpose);
            if (protection is not null) XmlDecryptor.Open(masterKey, XElement.Parse(protection).Descendants("encrypted").Single());
        }
        catch (CryptographicException)
        {
            throw new SettingsException(["Keys:MasterKey is not the one that this database's keys were stored under. Give the master key that belongs to it."]);
        }
    }

    [LoggerMessage(3003, LogLevel.Warning, "Tokens:SharedSecret is set (migration mode): every service that can verify a token with it can also mint one. Unset it once they verify by public key.")]
    private static partial void SharedSecret(ILogger logger);
}
