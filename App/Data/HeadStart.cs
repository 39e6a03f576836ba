using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>
/// A good part of a start are the types and methods of EF Core and SQLite that the runtime loads and compiles once in a process. One core does that on a
/// database in memory, by which nothing is decided, while another puts the services together.
/// </summary>
internal static class HeadStart
{
    private static int _begun;

    /// <summary>
    /// Nobody asks EF Core for anything before: of two who do so first at the same time, by different options, one finds the one compiled model half made.
    /// </summary>
    public static Task Over { get; private set; } = Task.CompletedTask;

    public static WebApplicationBuilder WithHeadStart(this WebApplicationBuilder builder)
    {
        var other = string.Equals(builder.Configuration["Database:Provider"], nameof(DatabaseProvider.SqlServer), StringComparison.OrdinalIgnoreCase);
        // Whatever may fail, the start itself meets it, too, and says it.
        if (!other && Interlocked.Exchange(ref _begun, 1) == 0) Over = Task.Run(RunAsync);
        return builder;
    }

    private static async Task RunAsync()
    {
        var options = new DbContextOptionsBuilder<SqliteDb>().UseSqlite("Data Source=:memory:").AddInterceptors(new SqliteConnectionSetup());
        await using var db = new SqliteDb(options.Options);
        await db.ExistsAsync("SELECT 1 FROM sqlite_master", CancellationToken.None);
        _ = db.Users.AsNoTracking().Where(user => user.TokensNotBefore > 0).ToQueryString();
    }
}
