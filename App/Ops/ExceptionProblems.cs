using System.Data.Common;
using App.Data;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Data.Sqlite;

namespace App.Ops;

/// <summary>What a client reads when an exception of this type ends its request; null where the exception means something else.</summary>
public sealed record ExceptionProblem(Type Type, Func<HttpContext, Exception, ProblemHttpResult?> Problem);

public static class ExceptionProblems
{
    /// <summary>
    /// Answers <typeparamref name="T"/>, also where another exception wraps it, with a problem instead of 500.
    /// A null from <paramref name="problem"/> leaves it to others.
    /// </summary>
    public static IServiceCollection AddProblemFor<T>(this IServiceCollection services, Func<HttpContext, T, ProblemHttpResult?> problem) where T : Exception =>
        services.AddSingleton(new ExceptionProblem(typeof(T), (http, exception) => problem(http, (T)exception)));

    /// <summary>The framework's own refusals, and a database that can't serve just now.</summary>
    internal static IServiceCollection AddFrameworkProblems(this IServiceCollection services) => services
        .AddProblemFor<BadHttpRequestException>((_, e) => Problems.ForStatus(e.StatusCode))
        .AddProblemFor<AntiforgeryValidationException>((_, _) => Problems.ForStatus(StatusCodes.Status400BadRequest))

        // The form reader's word for "over a limit".
        .AddProblemFor<InvalidDataException>((http, _) => http.Request.HasFormContentType ? Problems.ForStatus(StatusCodes.Status400BadRequest) : null)
        .AddProblemFor<DbException>((http, e) => IsAway(e) ? Problems.Unavailable(http, TimeSpan.FromSeconds(2)) : null)
        .AddProblemFor<InvalidOperationException>((http, e) => DatabaseFault.IsPoolExhausted(e) ? Problems.Unavailable(http, TimeSpan.FromSeconds(2)) : null);

    /// <summary>True where the same request may well succeed later: the database is unreachable, busy or full, not wronged.</summary>
    internal static bool IsAway(DbException exception) => exception switch
    {
        // busy, locked, read-only, I/O error, full, can't open, locking protocol
        SqliteException sqlite => sqlite.SqliteErrorCode is 5 or 6 or 8 or 10 or 13 or 14 or 15,
        { IsTransient: true } => true,
        _ => DatabaseFault.SqlServerNumber(exception) is { } number && IsAway(number),
    };

    internal static bool IsAway(int sqlServerNumber) => sqlServerNumber is
        -2 or -1 or 2 or 20 or 53 or 64 or 121 or 233 or 258 or 10053 or 10054 or 10060 or 10061 or 11001 // no way there, or too slow
        or 1205 or 1222 // lost a deadlock, waited too long for a lock
        or 1105 or 9002 or 3906 // file full, log full, read-only
        or 701 or 802 or 8645 or 8651 // out of memory
        or 921 or 922 or 927 or 945 or 4060 or 6005 or 17142 // not open yet, or going down
        or 10928 or 10929 or 40197 or 40501 or 40613 or 49918 or 49919 or 49920; // Azure moving or throttling it
}
