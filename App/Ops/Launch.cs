using App.Data;
using Microsoft.Data.Sqlite;

namespace App.Ops;

/// <summary>What happens after everything is put together: a command, or the start steps and then serving.</summary>
internal static partial class Launch
{
    private const string Usage = "Without a command it serves, and --Section:Key=value is a setting. The commands:";

    /// <summary>Says what there is to be done, or what this is, and does nothing: no setting is judged, nothing is made.</summary>
    /// <returns>The exit code of the process; null where it has something to do.</returns>
    public static async Task<int?> AnswerAsync(this WebApplication app, string[] args)
    {
        switch (args)
        {
            case ["help" or "--help" or "-h" or "-?", ..]:
                await app.ListCommandsAsync(Console.Out, Usage);
                return 0;
            case ["--version" or "-v", ..]:
                await Console.Out.WriteLineAsync($"{app.Services.GetRequiredService<Brand>().Name} {Brand.Version}");
                return 0;
            default:
                // Served all the same, it would reconcile the registry by settings that somebody meant to give otherwise. A command's own words are its own to judge.
                var own = IsCommand(args) ? args.TakeWhile(arg => !IsKey(arg)).Count() : 0;
                if (FindStray(args[own..]) is not { } stray) return null;
                // By its place: it may be a piece of somebody's secret.
                await app.ListCommandsAsync(Console.Error, $"Word {own + stray} on the command line is no setting and no command. {Usage}");
                return 2;
        }
    }

    /// <returns>The place, from 1, of the first word that is none of what the configuration reads: <c>--key=value</c>, <c>key=value</c>, <c>--key value</c>, and each with a <c>/</c>.</returns>
    internal static int? FindStray(string[] args)
    {
        for (var i = 0; i < args.Length; i++)
        {
            if (args[i] == Hosting.LabSwitch || (args[i].Contains('=', StringComparison.Ordinal) && (IsKey(args[i]) || !args[i].StartsWith('-')) && !IsFlag(args[i]))) continue;
            if (!IsKey(args[i]) || IsFlag(args[i]) || i + 1 == args.Length || IsKey(args[i + 1])) return i + 1;
            i++;
        }

        return null;
    }

    // "--dry-run=true": no setting at the top is spelled like that, and whoever asks for it doesn't want the thing done.
    private static bool IsFlag(string arg) => arg.Split('=')[0].TrimStart('-') is var key && key.Contains('-', StringComparison.Ordinal) && !key.Contains(':', StringComparison.Ordinal);

    private static bool IsKey(string arg) => arg.StartsWith("--", StringComparison.Ordinal) || arg.StartsWith('/');

    /// <summary>
    /// Brings the database, the keys and all that is asked on each request in, where this process is going to serve.
    /// Begun as soon as the settings are known to be good: of two cores, the other puts the pipeline and its routes together meanwhile.
    /// </summary>
    public static Task PrepareAsync(this WebApplication app, string[] args)
    {
        app.CheckSettings();
        // Before anything is made: a folder of its own, with new keys, is nothing that a command was meant for.
        if (IsCommand(args) && app.FindCommand(args[0]) is { Prepared: true }) StorageSettings.DemandDatabase(app.Services);
        return IsCommand(args) ? Task.CompletedTask : Task.Run(() => PrepareAsync(app, serving: true));
    }

    /// <param name="prepared">The preparation begun before. Nobody is answered before it has ended.</param>
    /// <returns>The exit code of the process.</returns>
    public static async Task<int> LaunchAsync(this WebApplication app, string[] args, Task prepared)
    {
        if (IsCommand(args)) return await CommandAsync(app, args[0], [.. args.Skip(1).TakeWhile(a => !IsKey(a))]);

        FirstPage.Begin(app);
        try
        {
            await prepared;
            app.Lifetime.ApplicationStarted.Register(() => Ready(app.Logger, app.Services.GetRequiredService<Brand>().Name, string.Join(", ", app.Urls)));
            await ServeAsync(app);
        }
        catch (OperationCanceledException) when (app.Lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Told to stop before it was ready: that is no fault.
        }

        return 0;
    }

    private static async Task ServeAsync(WebApplication app)
    {
        await using (app)
        {
            try
            {
                await app.StartAsync();
            }
            catch
            {
                // Where nobody can listen, what works in the background has begun already: stopped, it ends without a trace of its own in the log.
                await app.StopAsync();
                throw;
            }

            await app.WaitForShutdownAsync();
        }
    }

    private static bool IsCommand(string[] args) => args is [var name, ..] && !name.StartsWith('-');

    private static async Task<int> CommandAsync(WebApplication app, string name, string[] args)
    {
        if (app.FindCommand(name) is { } command)
        {
            if (command.Prepared) await PrepareAsync(app, serving: false);
            return await command.RunAsync(app.Services, args, Console.Out, app.Lifetime.ApplicationStopping);
        }

        await app.ListCommandsAsync(Console.Error, $"There is no command {name}. There are:");
        return 2;
    }

    private static Command? FindCommand(this WebApplication app, string name) => app.Services.GetServices<Command>().FirstOrDefault(c => c.Name == name);

    private static async Task ListCommandsAsync(this WebApplication app, TextWriter output, string heading)
    {
        await output.WriteLineAsync(heading);
        foreach (var command in app.Services.GetServices<Command>()) await output.WriteLineAsync($"  App {command.Usage}");
    }

    private static async Task PrepareAsync(WebApplication app, bool serving)
    {
        foreach (var step in app.Services.GetServices<StartStep>().Where(step => serving || !step.ServingOnly)) await PatientlyAsync(() => step.RunAsync(app.Services, app.Lifetime.ApplicationStopping), app.Lifetime.ApplicationStopping);
    }

    // Another process may hold the database for longer than a request would wait. What a step has written it doesn't write again.
    private static async Task PatientlyAsync(Func<Task> step, CancellationToken ct)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await step();
                return;
            }
            catch (Exception e) when (tries < 10 && DatabaseFault.Of(e) is SqliteException { SqliteErrorCode: 5 or 6 } or DatabaseBusyException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), ct);
            }
        }
    }

    [LoggerMessage(1001, LogLevel.Information, "{Brand} is ready at {Addresses}")]
    private static partial void Ready(ILogger logger, string brand, string addresses);
}
