using App.Data;
using App.Mail;
using App.Ops;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Identity;
using Microsoft.OpenApi;

namespace App.Accounts;

/// <summary>A person gets in, out, and back in.</summary>
internal static class AccountsModule
{
    public static IServiceCollection AddAccounts(this IServiceCollection services)
    {
        services.AddIdentityCore<User>().AddRoles<IdentityRole<Guid>>().AddEntityFrameworkStores<AppDb>();
        services.AddScoped<ILookupNormalizer, EmailLookupNormalizer>();
        services.AddScoped<GuessLimits>();
        services.AddSingleton(GuessLimits.Sweep);
        services.AddSettings<AccountOptions>("Accounts");
        services.AddScoped<CheckPassword>();
        services.AddScoped<LooseEnds>();
        services.AddScoped<SetPassword>();
        services.AddScoped<SignUp>();
        services.AddSingleton(new WarmUpStep(SignUp.WarmUpAsync));
        services.AddScoped<SignIn>();
        services.AddScoped<SignInSecondStep>();
        services.AddScoped<SignOut>();
        services.AddScoped<ProveAgain>();
        services.AddAuthorizationBuilder().AddPolicy(Roles.Admin, policy => policy.RequireRole(Roles.Admin));
        services.AddProblemFor<HashingBusyException>((http, busy) => Problems.Unavailable(http, busy.RetryAfter));
        return services;
    }

    public static IEndpointRouteBuilder MapAccounts(this IEndpointRouteBuilder routes)
    {
        var users = routes.MapGroup("/api/users").WithTags("Users").AllowAnonymous();
        users.MapPost("/signup", SignUp.HandleAsync).WithMetadata(new NewSession(), WritesLetters.Mark).RequireRateLimiting(RateLimits.Credentials)
            .TakesJson<SignUpRequest>().ProducesProblem(400).ProducesProblem(413).ProducesProblem(429);
        users.MapPost("/signin", SignIn.HandleAsync).WithMetadata(new NewSession(), WritesLetters.Mark).RequireRateLimiting(RateLimits.Credentials)
            .TakesJson<SignInRequest>().ProducesProblem(400).ProducesProblem(401).ProducesProblem(413).ProducesProblem(429);
        users.MapPost("/signin/mfa", SignInSecondStep.HandleAsync).WithMetadata(new NewSession(), WritesLetters.Mark).RequireRateLimiting(RateLimits.Credentials)
            .TakesJson<SecondStepRequest>().ProducesProblem(400).ProducesProblem(401).ProducesProblem(413).ProducesProblem(429);
        users.MapPost("/signout", SignOut.HandleAsync);
        BusyRoute.On(users.MapGet("/currentuser", ReadCurrentUser.Handle).Produces<CurrentUserAnswer>(), routes.ServiceProvider);

        routes.MapPost("/api/sessions/current/proof", ProveAgain.HandleAsync).WithTags("Sessions").RequireAuthorization().RequireRateLimiting(RateLimits.Credentials)
            .ProducesProblem(400).ProducesProblem(401).ProducesProblem(429);

        BusyRoute.On(routes.MapGet("/ui/who", ReadCurrentUser.WhoAsync).WithMetadata(new NewSession()).AllowAnonymous().ExcludeFromDescription(), routes.ServiceProvider);
        routes.MapPost("/ui/password-strength", SetPassword.JudgeAsync).AllowAnonymous().DisableAntiforgery().ExcludeFromDescription().RequireRateLimiting(RateLimits.Judgements);
        routes.MapPost("/api/tokens", IssueTokens.HandleAsync).WithMetadata(new NewSession(), WritesLetters.Mark).WithTags("Tokens").AllowAnonymous().RequireRateLimiting(RateLimits.Credentials)
            .ProducesProblem(400).ProducesProblem(401).ProducesProblem(429);
        return routes;
    }

    // For the description only: the framework's Accepts would answer 415 to what the course's API answers with its two errors.
    public static RouteHandlerBuilder TakesJson<T>(this RouteHandlerBuilder route) => route.AddOpenApiOperationTransformer(async (operation, context, ct) =>
        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                ["application/json"] = new() { Schema = await context.GetOrCreateSchemaAsync(typeof(T), cancellationToken: ct) },
            },
        });
}
