using System.Text.Json;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using OpenIddict.EntityFrameworkCore;
using OpenIddict.EntityFrameworkCore.Models;
using Oidc = OpenIddict.Abstractions.OpenIddictConstants;

namespace App.OAuth;

/// <summary>How a service learns who is calling it.</summary>
public enum TrustMode
{
    /// <summary>It verifies tokens itself and follows the event feed.</summary>
    ChecksItself,

    /// <summary>It introspects each token.</summary>
    Asks,

    /// <summary>A gateway in front of it asks.</summary>
    Gateway,
}

/// <summary>A service as its owner describes it, on the pages, over JSON or in the settings.</summary>
/// <param name="Id">Its OAuth <c>client_id</c>: 1 to 64 of a-z, 0-9 and hyphen.</param>
/// <param name="Audience">The audience that it alone accepts; null where it takes the tokens meant for everybody.</param>
/// <param name="Grants">OAuth grants it may use at the token endpoint.</param>
internal sealed record ServiceDescription(
    string Id, string Name, TrustMode Trust, string? Audience, IReadOnlyList<string> Scopes, IReadOnlyList<string> Grants, IReadOnlyList<string> RedirectUris)
{
    /// <summary>To the very end: <c>$</c> would let a line break pass.</summary>
    public const string IdPattern = @"^[a-z0-9-]{1,64}\z";

    public const int LongestName = 100;

    /// <summary>What the token endpoint can do for a service.</summary>
    public static readonly IReadOnlyList<string> KnownGrants = [Oidc.GrantTypes.ClientCredentials, Oidc.GrantTypes.RefreshToken, Oidc.GrantTypes.TokenExchange];

    /// <summary>What a service that an admin adds may use. To renew people's sessions is more, and granted in the settings.</summary>
    public static readonly IReadOnlyList<string> UsualGrants = [Oidc.GrantTypes.ClientCredentials, Oidc.GrantTypes.TokenExchange];
}

/// <summary>
/// A service that trusts us: OpenIddict's application, and beside it what OpenIddict has no word for.
/// Its one secret column stays empty: there are two secrets here, so that one can replace the other without a pause.
/// </summary>
internal sealed class OAuthClient : OpenIddictEntityFrameworkCoreApplication<Guid, OAuthAuthorization, OAuthToken>, IEntityTypeConfiguration<OAuthClient>
{
    public TrustMode Trust { get; set; }
    public string? Audience { get; set; }

    /// <summary>Written in the settings, and theirs: they alone change or remove it.</summary>
    public bool Declared { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>The last time it proved who it is, or a gateway let somebody through to it, correct to a minute.</summary>
    public DateTimeOffset? LastContactAt { get; set; }

    /// <summary>HMAC-SHA256 of the secret in force.</summary>
    public byte[] SecretHash { get; set; } = [];

    public DateTimeOffset SecretSetAt { get; set; }

    /// <summary>The secret before it, good until it is withdrawn.</summary>
    public byte[]? OldSecretHash { get; set; }

    public DateTimeOffset? OldSecretSetAt { get; set; }

    /// <summary>Where its events are pushed; null where it reads them itself.</summary>
    public string? PushUrl { get; set; }

    /// <summary>The bearer token that its receiver asks for, encrypted under the master key.</summary>
    public byte[]? PushSecret { get; set; }

    /// <summary>What tokens may be addressed to where this service is meant.</summary>
    public IEnumerable<string> Names => Audience is null ? [ClientId!] : [ClientId!, Audience];

    public ServiceDescription Description => new(
        ClientId!, DisplayName ?? ClientId!, Trust, Audience,
        With(Oidc.Permissions.Prefixes.Scope), With(Oidc.Permissions.Prefixes.GrantType), Read(RedirectUris));

    /// <summary>Takes the description; the id stays what it is.</summary>
    public void Describe(ServiceDescription description)
    {
        (DisplayName, Trust, Audience) = (description.Name, description.Trust, description.Audience);
        (ApplicationType, ClientType, ConsentType) = (Oidc.ApplicationTypes.Web, Oidc.ClientTypes.Confidential, Oidc.ConsentTypes.Explicit);
        Permissions = JsonSerializer.Serialize<IEnumerable<string>>([
            Oidc.Permissions.Endpoints.Token,
            .. description.Grants.Select(g => Oidc.Permissions.Prefixes.GrantType + g),
            .. description.Scopes.Select(s => Oidc.Permissions.Prefixes.Scope + s)]);
        RedirectUris = description.RedirectUris.Count == 0 ? null : JsonSerializer.Serialize(description.RedirectUris);
        ConcurrencyToken = Guid.NewGuid().ToString();
    }

    void IEntityTypeConfiguration<OAuthClient>.Configure(EntityTypeBuilder<OAuthClient> builder)
    {
        new OpenIddictEntityFrameworkCoreApplicationConfiguration<OAuthClient, OAuthAuthorization, OAuthToken, Guid>().Configure(builder);
        builder.Property(c => c.Trust).HasConversion<string>().HasMaxLength(20);
        builder.Property(c => c.Audience).HasMaxLength(200);
        builder.Property(c => c.SecretHash).HasMaxLength(32);
        builder.Property(c => c.OldSecretHash).HasMaxLength(32);
        builder.Property(c => c.PushUrl).HasMaxLength(500);
        builder.Property(c => c.PushSecret).HasMaxLength(600);
        builder.Ignore(c => c.Description);
        builder.Ignore(c => c.Names);
    }

    private string[] With(string prefix) => [.. Read(Permissions).Where(p => p.StartsWith(prefix, StringComparison.Ordinal)).Select(p => p[prefix.Length..])];

    private static string[] Read(string? json) => json is null ? [] : JsonSerializer.Deserialize<string[]>(json)!;
}

// OpenIddict's other tables: its stores ask them, whether or not anything is kept there yet.
internal sealed class OAuthAuthorization : OpenIddictEntityFrameworkCoreAuthorization<Guid, OAuthClient, OAuthToken>, IEntityTypeConfiguration<OAuthAuthorization>
{
    void IEntityTypeConfiguration<OAuthAuthorization>.Configure(EntityTypeBuilder<OAuthAuthorization> builder) =>
        new OpenIddictEntityFrameworkCoreAuthorizationConfiguration<OAuthAuthorization, OAuthClient, OAuthToken, Guid>().Configure(builder);
}

internal sealed class OAuthToken : OpenIddictEntityFrameworkCoreToken<Guid, OAuthClient, OAuthAuthorization>, IEntityTypeConfiguration<OAuthToken>
{
    void IEntityTypeConfiguration<OAuthToken>.Configure(EntityTypeBuilder<OAuthToken> builder) =>
        new OpenIddictEntityFrameworkCoreTokenConfiguration<OAuthToken, OAuthClient, OAuthAuthorization, Guid>().Configure(builder);
}

internal sealed class OAuthScope : OpenIddictEntityFrameworkCoreScope<Guid>, IEntityTypeConfiguration<OAuthScope>
{
    void IEntityTypeConfiguration<OAuthScope>.Configure(EntityTypeBuilder<OAuthScope> builder) =>
        new OpenIddictEntityFrameworkCoreScopeConfiguration<OAuthScope, Guid>().Configure(builder);
}

/// <summary>A service's token that was taken back before its time (RFC 7009). Forgotten once it would have expired.</summary>
internal sealed class RevokedToken : IEntityTypeConfiguration<RevokedToken>
{
    /// <summary>The token's <c>jti</c>.</summary>
    public string Id { get; set; } = "";

    public DateTimeOffset ExpiresAt { get; set; }

    void IEntityTypeConfiguration<RevokedToken>.Configure(EntityTypeBuilder<RevokedToken> builder)
    {
        builder.ToTable("RevokedTokens");
        builder.Property(t => t.Id).HasMaxLength(64).IsUnicode(false);
        builder.HasIndex(t => t.ExpiresAt);
    }
}

/// <summary>One row that counts the changes of the registry, so that every replica sees with one cheap look whether it must read it anew.</summary>
internal sealed class RegistryVersion : IEntityTypeConfiguration<RegistryVersion>
{
    public int Id { get; set; }
    public long Version { get; set; }

    void IEntityTypeConfiguration<RegistryVersion>.Configure(EntityTypeBuilder<RegistryVersion> builder)
    {
        builder.ToTable("RegistryVersion");
        builder.Property(v => v.Id).ValueGeneratedNever();
        builder.HasData(new RegistryVersion { Id = 1 });
    }
}

internal static class OAuthTables
{
    extension(AppDb db)
    {
        public DbSet<OAuthClient> OAuthClients => db.Set<OAuthClient>();

        /// <summary>Letter by letter, whatever the database takes for equal: a secret's hash knows its service's id.</summary>
        public async Task<OAuthClient?> FindClientAsync(string id, CancellationToken ct) =>
            await db.OAuthClients.SingleOrDefaultAsync(c => c.ClientId == id, ct) is { } client && client.ClientId == id ? client : null;

        public DbSet<RevokedToken> RevokedTokens => db.Set<RevokedToken>();
        public DbSet<RegistryVersion> RegistryVersion => db.Set<RegistryVersion>();
    }
}
