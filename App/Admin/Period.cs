using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <summary>A row of a list that grows with time: its number, and when it was made.</summary>
internal sealed class Moment<T>
{
    public required long Number { get; init; }
    public required DateTimeOffset At { get; init; }
    public required T Row { get; init; }
}

/// <summary>The time that a list is asked for; either end may be open.</summary>
/// <param name="From">The first instant that is meant.</param>
/// <param name="Until">The first after it that isn't.</param>
internal sealed record Period(DateTimeOffset? From = null, DateTimeOffset? Until = null)
{
    public static readonly Period Always = new();

    // Numbers follow time but for this: clocks of replicas differ, and who waited for a lock is numbered late.
    private static readonly TimeSpan Disorder = TimeSpan.FromMinutes(1);

    /// <summary>Those of the time, as a range of the primary key: no index has the time, and nobody waits for a year of rows to be read.</summary>
    public async Task<IQueryable<T>> OfAsync<T>(IQueryable<Moment<T>> rows, CancellationToken ct)
    {
        var within = rows;
        if (From is { } from)
        {
            var first = await FirstAsync(rows, from - Disorder, ct);
            within = within.Where(m => m.Number >= first && m.At >= from);
        }

        if (Until is { } until)
        {
            var end = await FirstAsync(rows, until + Disorder, ct);
            within = within.Where(m => m.Number < end && m.At < until);
        }

        return within.Select(m => m.Row);
    }

    // By halving: each look is one row, found by its number, and a million rows are twenty looks. Any of them may be gone with its owner's account.
    private static async Task<long> FirstAsync<T>(IQueryable<Moment<T>> rows, DateTimeOffset moment, CancellationToken ct)
    {
        var looks = rows.Select(m => new { m.Number, m.At });
        var last = await looks.OrderByDescending(m => m.Number).FirstOrDefaultAsync(ct);
        if (last is null || last.At < moment) return long.MaxValue;
        var (low, high) = (await looks.MinAsync(m => (long?)m.Number, ct) ?? last.Number, last.Number);
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            var look = await looks.Where(m => m.Number >= middle).OrderBy(m => m.Number).FirstOrDefaultAsync(ct);
            if (look is not null && look.At < moment) low = look.Number + 1;
            else high = middle;
        }

        return low;
    }
}
