namespace App.Mail;

/// <summary>Letters: the box they wait in, the way they leave, and the links in them that work once.</summary>
internal static partial class MailModule
{
    public static IServiceCollection AddMail(this IServiceCollection services)
    {
        services.AddSettings<MailOptions>("Mail");
        services.AddScoped<Outbox>();
        services.AddScoped<OneTimeLinks>();
        services.AddSingleton<LetterPaper>();
        services.AddSingleton<SendLetters>();
        services.AddHostedService(sp => sp.GetRequiredService<SendLetters>());
        services.AddSingleton(Outbox.Sweep);
        services.AddSingleton(OneTimeLinks.Sweep);
        services.AddSingleton(new StartStep(WarnWithoutServerAsync, ServingOnly: true));
        return services;
    }

    public static IEndpointRouteBuilder MapMail(this IEndpointRouteBuilder routes)
    {
        if (routes.ServiceProvider.GetRequiredService<IHostEnvironment>().IsDevelopment()) DevMail.Map(routes);
        return routes;
    }

    private static Task WarnWithoutServerAsync(IServiceProvider services, CancellationToken ct)
    {
        if (services.GetRequiredService<MailOptions>().Host is null && !services.GetRequiredService<IHostEnvironment>().IsDevelopment())
            NoServer(services.GetRequiredService<ILogger<SendLetters>>());
        return Task.CompletedTask;
    }

    [LoggerMessage(1204, LogLevel.Warning, "Mail:Host isn't set: letters wait, and are given up in time. Until it is, nobody gets a link to set a new password, or to begin an account by where Accounts:SignUp is ConfirmFirst.")]
    private static partial void NoServer(ILogger logger);
}
