namespace App.Ops;

/// <summary>What happens after everything is put together: a command, or the start steps and then serving.</summary>
internal static partial class Launch
{
    /// <returns>The exit code of the process.</returns>
    public static async Task<int> LaunchAsync(this WebApplication app, string[] args)
    {
        if (args is [var name, .. var rest] && !name.StartsWith('-')) return await CommandAsync(app, name, [.. rest.TakeWhile(a => !a.StartsWith("--", StringComparison.Ordinal))]);

        // Two cores: while one brings the database and the keys in, the other makes the routes ready.
        var routes = Task.Run(() => ((IEndpointRouteBuilder)app).DataSources.Sum(source => source.Endpoints.Count));
        await PrepareAsync(app, serving: true);
        await routes;
        app.Lifetime.ApplicationStarted.Register(() => Ready(app.Logger, app.Services.GetRequiredService<Brand>().Name, string.Join(", ", app.Urls)));
        await app.RunAsync();
        return 0;
    }

    private static async Task<int> CommandAsync(WebApplication app, string name, string[] args)
    {
        var commands = app.Services.GetServices<Command>().ToList();
        if (commands.Find(c => c.Name == name) is { } command)
        {
            if (command.Prepared) await PrepareAsync(app, serving: false);
            return await command.RunAsync(app.Services, args, Console.Out, app.Lifetime.ApplicationStopping);
        }

        await Console.Error.WriteLineAsync($"There is no command {name}. There are:");
        foreach (var known in commands) await Console.Error.WriteLineAsync($"  App {known.Usage}");
        return 2;
    }

    private static async Task PrepareAsync(WebApplication app, bool serving)
    {
        foreach (var step in app.Services.GetServices<StartStep>().Where(step => serving || !step.ServingOnly)) await step.RunAsync(app.Services, app.Lifetime.ApplicationStopping);
    }

    [LoggerMessage(1001, LogLevel.Information, "{Brand} is ready at {Addresses}")]
    private static partial void Ready(ILogger logger, string brand, string addresses);
}
