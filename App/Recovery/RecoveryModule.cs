using App.Accounts;
using App.Mail;
using App.Ops;
using App.Sessions;

namespace App.Recovery;

/// <summary>A person proves by a letter that they are who they say: gets back in, confirms an address, disowns a session.</summary>
internal static class RecoveryModule
{
    public static IServiceCollection AddRecovery(this IServiceCollection services)
    {
        services.AddScoped<AskForReset>();
        services.AddScoped<ResetPassword>();
        services.AddScoped<ConfirmEmail>();
        services.AddScoped<FinishSignUp>();
        services.AddScoped<NotMe>();
        services.AddScoped<RecoveryLetters>();
        foreach (var draft in RecoveryLetters.Drafts) services.AddSingleton(draft);
        return services;
    }

    public static IEndpointRouteBuilder MapRecovery(this IEndpointRouteBuilder routes)
    {
        var users = routes.MapGroup("/api/users").WithTags("Users").AllowAnonymous().RequireRateLimiting(RateLimits.Credentials).WithMetadata(WritesLetters.Mark);
        users.MapPost("/forgot", AskForReset.HandleAsync).TakesJson<ForgotRequest>().ProducesProblem(400).ProducesProblem(413).ProducesProblem(429);
        users.MapPost("/reset", ResetPassword.HandleAsync).TakesJson<ResetRequest>().ProducesProblem(400).ProducesProblem(413).ProducesProblem(429);
        users.MapPost("/confirm-email", ConfirmEmail.HandleAsync).TakesJson<LinkRequest>().ProducesProblem(400).ProducesProblem(401).ProducesProblem(413).ProducesProblem(429);
        users.MapPost("/finish-sign-up", FinishSignUp.HandleAsync).WithMetadata(new NewSession()).TakesJson<FinishSignUpRequest>().ProducesProblem(400).ProducesProblem(413).ProducesProblem(429);

        // The origin of every form is checked at one door, so there are no tokens in them.
        routes.MapPost("/account/confirm-email/again", ConfirmEmail.HandleAgainAsync).RequireAuthorization().WithMetadata(new FormOf("/account/profile")).DisableAntiforgery().ExcludeFromDescription();
        return routes;
    }
}
