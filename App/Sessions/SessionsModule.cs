using App.Data;
using App.Events;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Components.Server.Circuits;

namespace App.Sessions;

/// <summary>A session row, its life, its list; and who the caller of each request is.</summary>
internal static class SessionsModule
{
    public static IServiceCollection AddSessions(this IServiceCollection services)
    {
        services.AddSettings<SessionOptions>("Sessions");
        services.AddSettings<CookieNames>("Cookies");
        services.AddSettingsRule(CookieNames.Faults);
        services.AddSingleton<SessionCookies>();
        services.AddSingleton<HeldSessions>();
        services.AddSingleton<RefreshKey>();
        services.AddSingleton<Grants>();
        services.AddSingleton<VerifiedTokens>();
        services.AddSingleton<KnownSessions>();
        services.AddSingleton<NewestToken>((db, userId, ct) => db.FindNewestAsync(userId, ct));
        services.AddSingleton<CheckToken>();
        services.AddSingleton<ReadCaller>();
        services.AddSingleton<SessionWatch>();
        services.AddScoped<StartSession>();
        services.AddScoped<RenewSession>();
        services.AddScoped<RevokeSessions>();
        services.AddScoped<EndSession>();
        services.AddScoped<ListSessions>();
        services.AddScoped<CircuitHandler, EndedCircuits>();
        services.AddSingleton<Sweep>(sp => new Sweep((db, now, ct) => ForgetAsync(db, now - sp.GetRequiredService<SessionOptions>().IdleLifetime, now, ct)));
        services.AddSingleton(new Command("sessions", RevokeSessions.Usage, RevokeSessions.EndAllAsync));
        services.AddAuthentication(SessionHandler.Scheme).AddScheme<AuthenticationSchemeOptions, SessionHandler>(SessionHandler.Scheme, null);
        services.AddAuthorization();
        return services;
    }

    public static IEndpointRouteBuilder MapSessions(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/tokens/refresh", RenewSession.HandleAsync).WithMetadata(new NewSession()).WithTags("Tokens").AllowAnonymous().ProducesProblem(400).ProducesProblem(401);

        var mine = routes.MapGroup("/api/sessions").WithTags("Sessions").RequireAuthorization().ProducesProblem(401);
        mine.MapGet("", ListSessions.HandleAsync).ProducesProblem(400);
        mine.MapGet("/{id}", ListSessions.HandleOneAsync).ById().ProducesProblem(404);
        mine.MapDelete("/{id}", EndSession.HandleAsync).ById().ProducesProblem(404);
        mine.MapDelete("", EndSession.HandleOthersAsync);

        EndSessionForm.Map(routes);
        return routes;
    }

    /// <summary>
    /// What is no id names nothing, and is answered like one that nobody has. Not by a constraint of the route: that would tell a stranger 404
    /// where every other id tells them 401.
    /// </summary>
    public static RouteHandlerBuilder ById(this RouteHandlerBuilder route) => route.AddEndpointFilter((context, next) =>
        Guid.TryParse(context.HttpContext.Request.RouteValues["id"] as string, out _) ? next(context) : ValueTask.FromResult<object?>(Problems.NotFound()));

    // An ended session stays a week, for its owner to look back at.
    private static Task ForgetAsync(AppDb db, DateTimeOffset idleSince, DateTimeOffset now, CancellationToken ct)
    {
        var week = TimeSpan.FromDays(7);
        var (ended, idle) = (now - week, idleSince - week);
        return db.ForgetAsync(db.Sessions.Where(s => s.ExpiresAt < ended || s.RevokedAt < ended || s.LastSeenAt < idle).OrderBy(s => s.Id), ct);
    }
}
