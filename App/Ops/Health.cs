namespace App.Ops;

/// <summary>Something the service can't work without, asked whether it is there.</summary>
public sealed record Readiness(string Name, Func<IServiceProvider, CancellationToken, Task<bool>> Check);

/// <summary>What a load balancer or an orchestrator asks. Neither answer says more than a stranger may know.</summary>
public sealed partial class Health(
    IServiceScopeFactory scopes, IEnumerable<Readiness> checks, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Health> logger)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly Task<HealthReport> Stopping = Task.FromResult(new HealthReport("stopping", Errors: [new Fault("The process is stopping")]));
    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];
    private readonly Lock one = new();
    private (long At, Task<HealthReport> Report)? latest;

    /// <summary>Runs the registered checks, at most once in a second however many ask. A process that was told to stop isn't ready, though it still serves.</summary>
    public Task<HealthReport> ReadyAsync(CancellationToken ct)
    {
        if (lifetime.ApplicationStopping.IsCancellationRequested) return Stopping;
        lock (one)
        {
            if (latest is not { } l || time.GetElapsedTime(l.At) >= TimeSpan.FromSeconds(1)) latest = (time.GetTimestamp(), AskAsync());
            return latest.Value.Report.WaitAsync(ct);
        }
    }

    internal static void Map(IEndpointRouteBuilder routes)
    {
        var health = routes.MapGroup("/health").WithTags("Health");
        // Each is described once for each method, and an operation's id is its alone.
        health.AddOpenApiOperationTransformer((operation, context, _) =>
        {
            if (HttpMethods.IsHead(context.Description.HttpMethod ?? "")) operation.OperationId += "Head";
            return Task.CompletedTask;
        });
        health.MapMethods("/live", Methods, static () => TypedResults.Ok(new HealthReport("live")))
            .WithName("Live").WithSummary("The process runs; nothing that it needs is looked at.");
        health.MapMethods("/ready", Methods, static async (Health health, CancellationToken ct) =>
                await health.ReadyAsync(ct) is var report && report.Errors is null
                    ? TypedResults.Json(report)
                    : TypedResults.Json(report, statusCode: StatusCodes.Status503ServiceUnavailable))
            .WithName("Ready").WithSummary("The service can serve: each of its parts is there. 503 where one isn't, or where the process is stopping.")
            .Produces<HealthReport>().Produces<HealthReport>(StatusCodes.Status503ServiceUnavailable);
    }

    private async Task<HealthReport> AskAsync()
    {
        await Task.Yield();
        var failing = new List<string>();
        await using var scope = scopes.CreateAsyncScope();
        foreach (var check in checks)
        {
            if (!await IsThereAsync(check, scope.ServiceProvider)) failing.Add(check.Name);
        }

        return new HealthReport(
            failing.Count == 0 ? "ready" : "not ready",
            checks.ToDictionary(c => c.Name, c => failing.Contains(c.Name) ? "failing" : "ok"),
            failing.Count == 0 ? null : [.. failing.Select(f => new Fault($"{f} isn't ready"))]);
    }

    // The callers share the answer, so none of them can cancel it: patience alone ends a check.
    private async Task<bool> IsThereAsync(Readiness check, IServiceProvider services)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        try
        {
            return await check.Check(services, patience.Token).WaitAsync(patience.Token);
        }
        catch (Exception e)
        {
            NotReady(check.Name, e.GetType().Name, e.Message);
            return false;
        }
    }

    [LoggerMessage(2011, LogLevel.Warning, "{Part} isn't ready: {Exception}: {Reason}")]
    private partial void NotReady(string part, string exception, string reason);
}

/// <summary>The state of the service, or of each of its parts.</summary>
/// <param name="Status"><c>live</c>, <c>ready</c>, <c>not ready</c> or <c>stopping</c>.</param>
/// <param name="Checks">Each part: <c>ok</c> or <c>failing</c>.</param>
/// <param name="Errors">One sentence per failing part; absent when all is well.</param>
public sealed record HealthReport(
    string Status,
    IReadOnlyDictionary<string, string>? Checks = null,
    IReadOnlyList<Fault>? Errors = null);

/// <summary>Something that needs an operator, and keeps nobody from being served: the overview shows it.</summary>
/// <param name="Kind">One of the constants.</param>
/// <param name="Seconds">How long the slowest took.</param>
internal sealed record Trouble(string Kind, string? Service = null, long? Count = null, double? Seconds = null)
{
    public const string DrillLate = "drill_late", DrillBehind = "drill_behind", DrillAccount = "drill_account";
}

/// <summary>A slice that knows of such things, which stands above or beside the overview. Asked every two seconds while somebody looks.</summary>
internal sealed record TroubleSource(Func<IServiceProvider, CancellationToken, Task<IReadOnlyList<Trouble>>> FindAsync);
