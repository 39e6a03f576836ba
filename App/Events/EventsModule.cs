using App.Data;
using App.Ops;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace App.Events;

/// <summary>The ordered log of security events, what this process knows of it, and how others follow it.</summary>
internal static class EventsModule
{
    public static IServiceCollection AddEvents(this IServiceCollection services)
    {
        services.AddSettings<EventOptions>("Events");
        services.AddScoped<SecurityEventLog>();
        services.AddSingleton<RevocationIndex>();
        services.AddSingleton<EventFeed>();
        services.AddSingleton<CommitEvents>();
        services.AddSingleton<IInterceptor>(sp => sp.GetRequiredService<CommitEvents>());
        services.AddSingleton<FollowLog>();
        services.AddHostedService(sp => sp.GetRequiredService<FollowLog>());
        services.AddSingleton(new StartStep((sp, ct) => sp.GetRequiredService<FollowLog>().LoadAsync(ct)));
        services.AddSingleton(new StartStep(BeginMintingAsync, ServingOnly: true));
        services.AddSingleton(sp => new Sweep((db, now, ct) => TokenLife.RenewAsync(db, sp.GetRequiredService<TokenFacts>(), now, ct)));
        services.AddSingleton<EntryText>();
        services.AddSingleton<RedisStream>();
        services.AddHostedService(sp => sp.GetRequiredService<RedisStream>());
        services.AddSingleton<StreamEvents>();
        services.AddSingleton<FeedContacts>();
        services.AddHostedService(sp => sp.GetRequiredService<FeedContacts>());
        services.AddSingleton<AckEvents>();
        services.AddScoped<PollEvents>();
        services.AddSingleton<Pollers>();
        services.AddScoped<Convergence>();
        services.AddSingleton<LiveServices>();
        services.AddSingleton(new Sweep(PushTables.SweepAsync));
        services.AddSingleton(new Sweep(PruneAsync));
        return services;
    }

    public static IEndpointRouteBuilder MapEvents(this IEndpointRouteBuilder routes)
    {
        var feed = routes.MapGroup("/events").WithTags("Events").RequireAuthorization(CallingService.Policy).WithMetadata(ProvenBy.Service).ProducesProblem(400).ProducesProblem(401);
        feed.MapGet("", StreamEvents.HandleAsync).Produces<string>(200, "text/event-stream");
        feed.MapPost("/ack", AckEvents.HandleAsync);
        feed.MapPost("/poll", PollEvents.HandleAsync);
        return routes;
    }

    private static async Task BeginMintingAsync(IServiceProvider services, CancellationToken ct)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await StorageSettings.ExplainAsync(db, () => TokenLife.RenewAsync(db, services.GetRequiredService<TokenFacts>(), services.GetRequiredService<TimeProvider>().GetUtcNow(), ct));
    }

    // An hour of grace for whoever was away, a day for an instance, a month for the place of one that polls.
    // What a receiver isn't done with stays while we try, however old; what one that polls isn't done with, for a day. The mark goes first: a reader may start over too early, never too late.
    private static async Task PruneAsync(AppDb db, DateTimeOffset now, CancellationToken ct)
    {
        var horizon = now - TimeSpan.FromHours(1);
        var (day, month) = (now - TimeSpan.FromDays(1), now - TimeSpan.FromDays(30));
        await db.ForgetAsync(db.FeedReaders.Where(r => r.ContactAt < month || (r.ContactAt < day && r.Instance != FeedReader.Poll)).OrderBy(r => r.ContactAt), ct);
        if (await db.SecurityEvents.Where(e => e.ExpiresAt < horizon).MaxAsync(e => (long?)e.Cursor, ct) is not { } last) return;
        if (await db.PushPositions.Where(p => p.FailingSince > day).MinAsync(p => (long?)p.Cursor, ct) is { } wanted) last = Math.Min(last, wanted);
        if (await db.FeedReaders.Where(r => r.Instance == FeedReader.Poll && r.ContactAt > day && r.Applied < last).MinAsync(r => (long?)r.Applied, ct) is { } applied)
            last = Math.Max(applied, await db.SecurityEvents.Where(e => e.ExpiresAt < day && e.Cursor <= last).MaxAsync(e => (long?)e.Cursor, ct) ?? 0);
        await using (var turn = await db.BeginWriteAsync(ct))
        {
            await db.EventCounter.Where(c => c.PrunedTo < last).ExecuteUpdateAsync(set => set.SetProperty(c => c.PrunedTo, last), ct);
            await turn.CommitUnflushedAsync(ct);
        }

        await db.ForgetAsync(db.SecurityEvents.Where(e => e.ExpiresAt < horizon && e.Cursor <= last).OrderBy(e => e.ExpiresAt), ct);
    }
}
