using App.Mail;
using App.Ops;

namespace App.Profile;

/// <summary>A person looks after their own account: name, address, password, what happened, their data, its end.</summary>
internal static class ProfileModule
{
    public static IServiceCollection AddProfile(this IServiceCollection services)
    {
        services.AddScoped<Disown>();
        services.AddScoped<ReadProfile>();
        services.AddScoped<ChangePassword>();
        services.AddScoped<ChangeEmail>();
        services.AddScoped<ConfirmNewEmail>();
        services.AddScoped<UndoEmail>();
        services.AddScoped<ChangeName>();
        services.AddScoped<ListActivity>();
        services.AddScoped<MyData>();
        services.AddScoped<DeleteAccount>();
        services.AddScoped<ProfileLetters>();
        services.AddSingleton(ProfileLetters.NewEmail);
        foreach (var part in MyData.Own) services.AddSingleton(part);
        return services;
    }

    public static IEndpointRouteBuilder MapProfile(this IEndpointRouteBuilder routes)
    {
        var mine = routes.MapGroup("/api/account").WithTags("Account").RequireAuthorization().WithMetadata(WritesLetters.Mark).ProducesProblem(401);
        mine.MapPost("/password", ChangePassword.HandleAsync).RequireRateLimiting(RateLimits.Credentials).ProducesProblem(400).ProducesProblem(429);
        mine.MapPost("/email", ChangeEmail.HandleAsync).RequireRateLimiting(RateLimits.Credentials).ProducesProblem(400).ProducesProblem(429);
        mine.MapDelete("/email", ChangeEmail.HandleWithdrawAsync);
        mine.MapPost("/name", ChangeName.HandleAsync).ProducesProblem(400);
        mine.MapGet("/activity", ListActivity.HandleAsync).ProducesProblem(400);
        mine.MapPost("/data", MyData.HandleAsync).RequireRateLimiting(RateLimits.Credentials).Produces<object>(200, "application/json").ProducesProblem(400).ProducesProblem(429);
        mine.MapPost("/delete", DeleteAccount.HandleAsync).RequireRateLimiting(RateLimits.Credentials).ProducesProblem(400).ProducesProblem(409).ProducesProblem(429);
        routes.MapPost("/api/account/email/confirm", ConfirmNewEmail.HandleAsync).WithTags("Account").WithMetadata(WritesLetters.Mark).AllowAnonymous().RequireRateLimiting(RateLimits.Credentials).ProducesProblem(400).ProducesProblem(401).ProducesProblem(429);

        routes.MapGet("/.well-known/change-password", () => TypedResults.Redirect("/account/security")).WithTags("Account").AllowAnonymous().Produces(302)
            .WithSummary("302 to the page where a password is changed, from where password managers look for it (W3C, A Well-Known URL for Changing Passwords).");
        DataForm.Map(routes);
        DisownForm.Map(routes);
        return routes;
    }
}
