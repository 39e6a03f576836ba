using App.Data;
using App.Mail;
using App.Sessions;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

/// <summary>What proves who a person is, beside their password, and how recently it was proved.</summary>
internal static class FactorsModule
{
    public static IServiceCollection AddFactors(this IServiceCollection services)
    {
        services.AddScoped<RecentProof>();
        services.AddScoped<FactorChange>();
        services.AddScoped<RemoveFactors>();
        services.AddScoped<RecoveryCodes>();
        services.AddScoped<SecondFactor>();
        services.AddScoped<SecondSteps>();
        services.AddSingleton(SecondSteps.Sweep);
        services.AddScoped<RefusedSignIn>();
        services.AddScoped<TwoStep>();
        services.AddScoped<IPasskeyHandler<User>, PasskeyHandler<User>>();
        services.AddOptions<IdentityPasskeyOptions>().Configure<PublicUrl>(Configure);
        services.AddScoped<PasskeyCeremonies>();
        services.AddSingleton(PasskeyCeremonies.Sweep);
        services.AddScoped<KnownDevices>();
        services.AddScoped<UsePasskey>();
        services.AddScoped<AddPasskey>();
        services.AddScoped<ManagePasskeys>();
        services.AddSingleton(new PersonalData("passkeys", async (db, id, ct) => await db.Passkeys.Where(p => p.UserId == id).OrderBy(p => p.CreatedAt)
            .Select(p => new { p.Name, p.CreatedAt, p.LastUsedAt, Synced = p.IsSynced }).ToListAsync(ct)));
        services.AddSingleton(new PersonalData("twoStep", async (db, id, ct) =>
        {
            var step = await db.Authenticators.AsNoTracking().SingleOrDefaultAsync(a => a.UserId == id, ct);
            return new { On = step is not null, Since = step?.AddedAt, AuthenticatorApp = step is { HasApp: true }, RecoveryCodesLeft = await db.Set<RecoveryCode>().CountAsync(c => c.UserId == id, ct) };
        }));
        return services;
    }

    public static IEndpointRouteBuilder MapFactors(this IEndpointRouteBuilder routes)
    {
        var passkeys = routes.MapGroup("/api/passkeys").WithTags("Passkeys");
        passkeys.MapPost("/sign-in/begin", UsePasskey.BeginSignInAsync).AllowAnonymous().ProducesProblem(400).ProducesProblem(401);
        passkeys.MapPost("/sign-in/finish", UsePasskey.FinishSignInAsync).AllowAnonymous().WithMetadata(new NewSession(), WritesLetters.Mark)
            .RequireRateLimiting(App.Ops.RateLimits.Credentials).ProducesProblem(400).ProducesProblem(429);

        var mine = passkeys.MapGroup("").RequireAuthorization().WithMetadata(WritesLetters.Mark).ProducesProblem(401);
        mine.MapGet("", ManagePasskeys.ListAsync);
        mine.MapPost("/add/begin", AddPasskey.BeginAsync).RequireRecentProof();
        // Begun with a proof, in this session: that one stands for what the authenticator has made since.
        mine.MapPost("/add/finish", AddPasskey.FinishAsync).ProducesProblem(400);
        mine.MapPost("/confirm/begin", UsePasskey.BeginConfirmAsync);
        mine.MapPost("/confirm/finish", UsePasskey.FinishConfirmAsync).ProducesProblem(400);
        mine.MapPatch("/{id}", ManagePasskeys.RenameAsync).ById().ProducesProblem(400).ProducesProblem(404);
        mine.MapDelete("/{id}", ManagePasskeys.RemoveAsync).ById().ProducesProblem(404);
        return routes;
    }

    // Passkeys belong to the host of the issuer, whatever name a request came in by, and are asked for on its own pages only.
    private static void Configure(IdentityPasskeyOptions options, PublicUrl url)
    {
        options.ServerDomain = new Uri(url.Issuer).Host;
        options.UserVerificationRequirement = "required";
        options.ResidentKeyRequirement = "required";
        options.AuthenticatorTimeout = PasskeyCeremonies.Lasts;
        options.ValidateOrigin = context => ValueTask.FromResult(!context.CrossOrigin && context.TopOrigin is null && context.Origin == url.Origin);
    }
}
