using App.Data;
using App.Events;

namespace App.Tokens;

/// <summary>
/// Replaces the current signing key when it is due, keeps the ring current when another process changed the keys,
/// and drops retired keys from it when their last token has expired.
/// </summary>
internal sealed partial class RotateOnSchedule(
    IServiceScopeFactory scopes, SigningKeyRing ring, RevocationIndex index, KeyOptions options, TimeProvider time, ILogger<RotateOnSchedule> logger) : BackgroundService
{
    /// <summary>A key is published at least this long before its first scheduled use, so that every cache of the JWKS has it.</summary>
    public static readonly TimeSpan PublishedBefore = TimeSpan.FromDays(1);

    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan BetweenTries = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _over = new();

    // Before any hosted service runs on its own: a change that the follower sees first must not wait for the schedule.
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        if (ring.IsShared) return Task.CompletedTask;
        index.Applied += OnApplied;
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken)) await RunOnceAsync(stoppingToken);
    }

    internal async Task RunOnceAsync(CancellationToken ct)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var keys = scope.ServiceProvider.GetRequiredService<SigningKeys>();
            var all = await keys.ListAsync(ct);
            // That one alone: a replica that read the keys before another rotated them would take its new one for old.
            if (DueAt(all) <= time.GetUtcNow() && await keys.RotateAsync(ct, seen: all.Single(k => k.State == SigningKeyState.Current).Id) is SigningKeys.Outcome.Done done) Rotated(done.CurrentKeyId);
            await ring.LoadAsync(ct);
        }
        catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            LogFailed(e.Message);
        }
    }

    /// <summary>When the current key is old enough, and the next one published for long enough.</summary>
    /// <returns>Null where one of them isn't there.</returns>
    public DateTimeOffset? DueAt(IReadOnlyCollection<SigningKey> all)
    {
        var old = all.SingleOrDefault(k => k.State == SigningKeyState.Current)?.ActivatedAt + options.RotateAfter;
        var known = all.SingleOrDefault(k => k.State == SigningKeyState.Next)?.CreatedAt + PublishedBefore;
        return old > known ? old : old is null ? null : known;
    }

    private void OnApplied(LoggedEvent entry)
    {
        if (entry.Type == EventTypes.SigningKeyChanged) _ = ReloadAsync();
    }

    private async Task ReloadAsync()
    {
        // Not left to the next turn of the schedule: until then a key that is revoked might be the one that signs.
        var over = _over.Token;
        for (var failing = false; ; failing = true)
        {
            try
            {
                await ring.LoadAsync(over);
                return;
            }
            catch (Exception e) when (!over.IsCancellationRequested)
            {
                if (!failing) LogFailed(e.Message);
                await Task.Delay(BetweenTries, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception)
            {
                return; // The process ends.
            }
        }
    }

    public override void Dispose()
    {
        index.Applied -= OnApplied;
        if (_over.IsCancellationRequested) return; // once as itself, once as a hosted service
        _over.Cancel();
        _over.Dispose();
        base.Dispose();
    }

    [LoggerMessage(3001, LogLevel.Information, "Signing keys rotated; {KeyId} is current")]
    private partial void Rotated(string keyId);

    [LoggerMessage(3002, LogLevel.Error, "Looking after the signing keys failed: {Cause}")]
    private partial void LogFailed(string cause);
}
