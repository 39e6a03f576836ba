using System.Globalization;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Mail;

/// <summary>
/// Takes letters out of the box and sends them, at each replica. Taking one moves its next turn on, which no two can do at once; a crash gives
/// it back when that time has come. So none is lost, and one is sent twice only where the process dies between the server's yes and its mark.
/// </summary>
internal sealed partial class SendLetters(
    IServiceScopeFactory scopes, IEnumerable<Draft> drafts, MailOptions options, IHostEnvironment environment, TimeProvider time, ILogger<SendLetters> logger) : BackgroundService
{
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);

    private readonly Dictionary<string, Draft> _drafts = drafts.ToDictionary(d => d.Kind);
    private readonly SemaphoreSlim _alone = new(1);
    private int _silences;
    private DateTimeOffset _silentUntil;
    private bool _failing;

    private bool Sends => options.Host is not null;

    // Twice what an attempt may take: whoever still works on it is done by then.
    private TimeSpan Lease => options.Timeout + options.Timeout + TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Without a server letters wait; in Development drafts are written all the same, for somebody to read.
        if (!Sends && !environment.IsDevelopment()) return;
        while (true)
        {
            await Task.Delay(Pace, time, stoppingToken);
            await TryOnceAsync(stoppingToken);
        }
    }

    internal async Task TryOnceAsync(CancellationToken ct)
    {
        try
        {
            await RunOnceAsync(ct);
            _failing = false;
        }
        catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            if (!_failing) Failed(e.GetType().Name);
            _failing = true;
        }
    }

    /// <summary>Everything that is due now.</summary>
    internal async Task RunOnceAsync(CancellationToken ct)
    {
        await _alone.WaitAsync(ct);
        try
        {
            // Further than any pause, a clock was ahead when it began.
            var now = time.GetUtcNow();
            if (_silentUntil <= now || _silentUntil > now + LongestPause) await EmptyAsync(ct);
        }
        finally
        {
            _alone.Release();
        }
    }

    public override void Dispose()
    {
        _alone.Dispose();
        base.Dispose();
    }

    private async Task EmptyAsync(CancellationToken ct)
    {
        using var post = new SmtpPost(options, time);
        var passed = new HashSet<Guid>();
        while (true)
        {
            await using var scope = scopes.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            if (await NextAsync(db, passed, ct) is not { } row) return;
            passed.Add(row.Id);
            try
            {
                if (await TakeAsync(db, row, ct) && !await DeliverAsync(scope.ServiceProvider, db, post, row, ct)) return;
            }
            catch (Exception e) when (e is not OperationCanceledException && !DatabaseFault.Is(e))
            {
                // It comes up again when its time is over; the others don't wait for it. What the database refuses, as on a full disk, it would refuse of each.
                Failed(e.GetType().Name);
            }
        }
    }

    private async Task<QueuedLetter?> NextAsync(AppDb db, HashSet<Guid> passed, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var farthest = now + LongestPause + Lease;
        var due = db.Outbox.AsNoTracking().Where(l => (l.DueAt <= now || l.DueAt > farthest) && l.GiveUpAt > now);
        if (!Sends) due = due.Where(l => l.Draft != null);
        // Who was taken is due no more; what couldn't be is passed over, one at a time, and is rare.
        for (var skip = 0; ; skip++)
        {
            var row = await due.OrderBy(l => l.DueAt).ThenBy(l => l.Id).Skip(skip).FirstOrDefaultAsync(ct);
            if (row is null || !passed.Contains(row.Id)) return row;
        }
    }

    private async Task<bool> TakeAsync(AppDb db, QueuedLetter row, CancellationToken ct)
    {
        var seen = row.DueAt;
        row.DueAt = time.GetUtcNow() + Lease;
        row.Attempts++;
        return await ChangeAsync(db, row, seen, ct);
    }

    // Only by whoever has it: after a lapse somebody else may.
    private static async Task<bool> ChangeAsync(AppDb db, QueuedLetter row, DateTimeOffset? seen, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        var changed = await db.Outbox.Where(l => l.Id == row.Id && l.DueAt == seen).ExecuteUpdateAsync(set => set
            .SetProperty(l => l.Draft, row.Draft)
            .SetProperty(l => l.UserId, row.UserId)
            .SetProperty(l => l.Contents, row.Contents)
            .SetProperty(l => l.DueAt, row.DueAt)
            .SetProperty(l => l.Attempts, row.Attempts)
            .SetProperty(l => l.SentAt, row.SentAt)
            .SetProperty(l => l.Fault, row.Fault), ct);
        await transaction.CommitAsync(ct);
        return changed == 1;
    }

    /// <returns>False where there is no point in going on with the next.</returns>
    private async Task<bool> DeliverAsync(IServiceProvider services, AppDb db, SmtpPost post, QueuedLetter row, CancellationToken ct)
    {
        var outbox = services.GetRequiredService<Outbox>();
        if (row.Draft is not null && !await WriteAsync(services, outbox, db, row, ct)) return true;
        if (!Sends || outbox.Open(row) is not { } letter) return true;

        var (result, why) = await post.SendAsync(row.Id, letter, ct);
        var (mine, now) = (row.DueAt, time.GetUtcNow());
        row.Fault = why;
        switch (result)
        {
            case SmtpPost.Result.Sent:
                (row.SentAt, row.DueAt, row.Contents) = (now, null, null);
                break;
            case SmtpPost.Result.Refused:
                (row.DueAt, row.Contents) = (null, null);
                Refused(row.Id, why);
                break;
            default:
                row.DueAt = now + Pause(row.Attempts);
                Waits(row.Id, row.Attempts, why);
                break;
        }

        // A letter that has gone out is marked even where the process is told to stop.
        await ChangeAsync(db, row, mine, CancellationToken.None);
        if (result == SmtpPost.Result.Unreachable)
        {
            _silentUntil = now + Pause(++_silences);
            return false;
        }

        _silences = 0;
        return true;
    }

    // The letter, the link in it and the end of the draft in one transaction.
    private async Task<bool> WriteAsync(IServiceProvider services, Outbox outbox, AppDb db, QueuedLetter row, CancellationToken ct)
    {
        var before = CultureInfo.CurrentUICulture;
        try
        {
            CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo(row.Culture);
            await using var transaction = await db.BeginWriteAsync(ct);
            var written = await _drafts[row.Draft!].WriteAsync(services, outbox.DetailsOf(row), ct);
            var mine = row.DueAt;
            (row.Draft, row.UserId, row.Contents) = (null, written?.UserId, written is null ? null : outbox.Seal(written.Letter));
            if (written is null) row.DueAt = null;
            var won = await db.Outbox.Where(l => l.Id == row.Id && l.DueAt == mine && l.Draft != null).ExecuteUpdateAsync(set => set
                .SetProperty(l => l.Draft, row.Draft)
                .SetProperty(l => l.UserId, row.UserId)
                .SetProperty(l => l.Contents, row.Contents)
                .SetProperty(l => l.DueAt, row.DueAt), ct);
            if (won == 0) return false;
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            return written is not null;
        }
        finally
        {
            CultureInfo.CurrentUICulture = before;
        }
    }

    private static TimeSpan Pause(int attempts)
    {
        var pause = FirstPause * Math.Pow(2, Math.Min(attempts, 20) - 1);
        return pause < LongestPause ? pause : LongestPause;
    }

    // Its message may quote the letter.
    [LoggerMessage(1201, LogLevel.Error, "Sending letters failed: {Exception}")]
    private partial void Failed(string exception);

    [LoggerMessage(1202, LogLevel.Warning, "Letter {Id} waits after attempt {Attempts}: {Why}")]
    private partial void Waits(Guid id, int attempts, string? why);

    [LoggerMessage(1203, LogLevel.Warning, "The mail server refused letter {Id} for good: {Why}")]
    private partial void Refused(Guid id, string? why);
}
