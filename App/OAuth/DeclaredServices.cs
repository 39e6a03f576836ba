using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using App.Audit;
using App.Data;
using App.Events;
using App.Push;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.OAuth;

/// <summary>One service of the setting <c>Services</c>.</summary>
public sealed class DeclaredService : IValidatableObject
{
    [Required, RegularExpression(ServiceDescription.IdPattern, ErrorMessage = "1 to 64 of a-z, 0-9 and hyphen")]
    public string? Id { get; set; }

    [MaxLength(100)]
    public string? Name { get; set; }

    [Secret, Required, StringLength(ServiceSecret.Longest, MinimumLength = ServiceSecret.Shortest)]
    public string? Secret { get; set; }

    /// <summary>
    /// The secret that <see cref="Secret"/> replaces, good beside it for as long as it stands here. To replace one without a pause, give every
    /// replica the new one as <c>Secret</c> and the one before it as <c>OldSecret</c>, move the service to the new one, then leave <c>OldSecret</c> out.
    /// A replica that starts meanwhile with the settings from before, the older secret alone, ends neither; to go back, roll once more with the two exchanged.
    /// </summary>
    [Secret, StringLength(ServiceSecret.Longest, MinimumLength = ServiceSecret.Shortest)]
    public string? OldSecret { get; set; }

    /// <summary>How it learns who is calling it.</summary>
    public TrustMode Trust { get; set; }

    [MaxLength(200)]
    public string? Audience { get; set; }

    /// <summary>Where its events are pushed (RFC 8935).</summary>
    [MaxLength(PushTarget.LongestUrl)]
    public string? PushUrl { get; set; }

    /// <summary>What its receiver asks of us as a bearer token.</summary>
    [Secret, MaxLength(PushTarget.LongestSecret)]
    public string? PushSecret { get; set; }

    public string[] Scopes { get; set; } = [];

    /// <summary>Client credentials, where none are listed. No default here: a list of settings is added to it.</summary>
    public string[]? Grants { get; set; }
    public string[] RedirectUris { get; set; } = [];

    internal ServiceDescription Description => new(Id!, string.IsNullOrWhiteSpace(Name) ? Id! : Name, Trust, string.IsNullOrWhiteSpace(Audience) ? null : Audience, Scopes, Grants ?? ["client_credentials"], RedirectUris);

    internal PushTarget? Push => string.IsNullOrWhiteSpace(PushUrl) ? null : new(PushUrl, string.IsNullOrWhiteSpace(PushSecret) ? null : PushSecret);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (OldSecret is not null && OldSecret == Secret) yield return new ValidationResult("it is also given as Secret. Give the one that Secret replaces, or leave it out.", [nameof(OldSecret)]);
        if (Id is null) yield break;
        foreach (var fault in ServiceRules.Faults(Description)) yield return new ValidationResult($"is at fault: {fault.Message}.", [fault.Field!]);
    }
}

[Description("The services that trust us, each `{Id, Name, Secret, OldSecret, Trust, Audience, Scopes, Grants, RedirectUris, PushUrl, PushSecret}`; made, changed and removed at start as listed; `Grants` are client credentials where none are listed. Give a secret of at least 32 characters as `Services__0__Secret` in the environment or the secrets folder. To replace one without a pause, give every replica the new one as `Secret` and the one before it as `OldSecret`, which stays good beside it, move the service to the new one, then leave `OldSecret` out. `PushSecret` is given likewise; its receiver gets it as a bearer token.")]
public sealed class ServiceDeclarations : List<DeclaredService>;

/// <summary>Makes the registry say what the settings say. Doing it twice, or at several replicas at once, changes nothing.</summary>
internal sealed partial class DeclaredServices(
    AppDb db, ServiceRegistry registry, ChangeRegistry change, ServiceSecretKey secretKey, PushTargets targets, ServiceDeclarations declared, TokenOptions tokens, AuditLog audit, TimeProvider time,
    ILogger<DeclaredServices> logger)
{
    public static IEnumerable<string> Faults(IServiceProvider services)
    {
        var (declared, push) = (services.GetRequiredService<ServiceDeclarations>(), services.GetRequiredService<PushOptions>());
        foreach (var group in declared.Where(s => s.Id is not null).GroupBy(s => s.Id).Where(g => g.Count() > 1))
            yield return $"Services names the id \"{group.Key}\" {group.Count()} times. Give each service an id of its own.";
        if (ServiceRules.ApartOnlyInCase(Names(services.GetRequiredService<TokenOptions>(), declared)) is var (one, other))
            yield return ApartOnlyInCase(one, other);
        for (var i = 0; i < declared.Count; i++)
        {
            foreach (var fault in declared[i].Push?.Faults(push) ?? [])
                yield return $"Services:{i}:Push{(fault.Field == "url" ? "Url" : "Secret")} is at fault: {fault.Message}.{(fault.Field == "url" && !push.AllowPrivateNetworks ? " Events:Push:AllowPrivateNetworks lifts that." : "")}";
        }
    }

    /// <summary>Looks at what the registry holds, and at the database only where that differs from what is declared.</summary>
    public async Task ReconcileAsync(CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var known = registry.All.Select(service => service.Client).ToList();
                RefuseTwins(known);
                if (Undeclared(known).Any() || declared.Exists(one => !IsAsDeclared(known.Find(c => c.ClientId == one.Id), one))) await change.RunAsync(() => ApplyAsync(ct), ct);
                foreach (var one in declared.Where(one => IsFromBefore(registry.Find(one.Id!)?.Client, one))) LogFromBefore(one.Id!);
                return;
            }
            catch (DbUpdateException) when (attempt < 5)
            {
                // Another replica did the same; what it left is looked at anew.
                db.ChangeTracker.Clear();
                await registry.LoadAsync(ct);
            }
        }
    }

    // Works on tracked entities; what it did counts only if it is saved.
    private async Task<bool> ApplyAsync(CancellationToken ct)
    {
        var clients = await db.OAuthClients.ToListAsync(ct);
        RefuseTwins(clients);
        var changed = false;
        foreach (var gone in Undeclared(clients))
        {
            db.Remove(gone);
            await db.ForgetPushAsync(gone.ClientId!, ct);
            await db.ForgetReadersAsync(gone.ClientId!, ct);
            Note("service-removed", gone.ClientId!);
        }

        foreach (var one in declared)
        {
            var client = clients.Find(c => c.ClientId == one.Id);
            if (IsAsDeclared(client, one)) continue;
            Note(client is null ? "service-created" : "service-changed", one.Id!);
            if (client is null)
            {
                client = new OAuthClient { Id = Guid.CreateVersion7(time.GetUtcNow()), ClientId = one.Id, CreatedAt = time.GetUtcNow() };
                db.Add(client);
            }

            client.Declared = true;
            client.Describe(one.Description);
            if (client.PushUrl is not null && one.Push is null) await db.ForgetPushAsync(one.Id!, ct);
            targets.Set(client, one.Push);
            var (current, old) = SecretsOf(client, one);
            (client.SecretHash, client.SecretSetAt, client.OldSecretHash, client.OldSecretSetAt) = (current, SetAt(client, current), old, old is null ? null : SetAt(client, old));
        }

        return changed;

        void Note(string action, string id)
        {
            changed = true;
            audit.Add(action, detail: id);
        }
    }

    // The settings alone say what is good: a secret that was taken out of them is good no more.
    private (byte[] Current, byte[]? Old) SecretsOf(OAuthClient? client, DeclaredService one) =>
        IsFromBefore(client, one) ? (client!.SecretHash, client.OldSecretHash)
        : (secretKey.Hash(one.Id!, one.Secret!), one.OldSecret is null ? null : secretKey.Hash(one.Id!, one.OldSecret));

    // Another replica has begun to replace the secret, and this one was started again before its settings were: what the service may have
    // moved to already must not end here.
    private bool IsFromBefore(OAuthClient? client, DeclaredService one) =>
        client is { Declared: true, OldSecretHash: { } old } && one.OldSecret is null && Same(old, secretKey.Hash(one.Id!, one.Secret!));

    private DateTimeOffset SetAt(OAuthClient client, byte[] hash) =>
        Same(client.SecretHash, hash) ? client.SecretSetAt : Same(client.OldSecretHash, hash) ? client.OldSecretSetAt ?? time.GetUtcNow() : time.GetUtcNow();

    private void RefuseTwins(List<OAuthClient> clients)
    {
        var others = clients.Where(c => !c.Declared && !declared.Exists(d => d.Id == c.ClientId)).SelectMany(c => c.Names);
        if (ServiceRules.ApartOnlyInCase([.. Names(tokens, declared), .. others]) is var (name, other)) throw new SettingsException([ApartOnlyInCase(name, other)]);
    }

    private static IEnumerable<string> Names(TokenOptions tokens, ServiceDeclarations declared) =>
        [tokens.Audience, .. declared.SelectMany(s => new[] { s.Id, s.Audience }).OfType<string>()];

    private static string ApartOnlyInCase(string one, string other) =>
        $"Services has \"{one}\" and \"{other}\", which differ only in the case of letters, as ids or audiences (Tokens:Audience included). Spell them alike or name one otherwise.";

    private IEnumerable<OAuthClient> Undeclared(List<OAuthClient> clients) => clients.Where(c => c.Declared && !declared.Exists(d => d.Id == c.ClientId));

    private bool IsAsDeclared(OAuthClient? client, DeclaredService one) =>
        client is { Declared: true } && Same(client.Description, one.Description)
        && SecretsOf(client, one) is var (current, old) && Same(client.SecretHash, current) && Same(client.OldSecretHash, old) && targets.Of(client) == one.Push;

    private static bool Same(byte[]? a, byte[]? b) => a.AsSpan().SequenceEqual(b);

    private static bool Same(ServiceDescription a, ServiceDescription b) =>
        (a.Name, a.Trust, a.Audience) == (b.Name, b.Trust, b.Audience)
        && a.Scopes.SequenceEqual(b.Scopes) && a.Grants.SequenceEqual(b.Grants) && a.RedirectUris.SequenceEqual(b.RedirectUris);

    [LoggerMessage(6003, LogLevel.Warning, "The settings here declare only the older one of the two secrets of {Service}. The newer one, which other settings declared, stays good as well; to end it, declare it as OldSecret, then leave that out")]
    private partial void LogFromBefore(string service);
}
