using App.Data;
using App.Events;
using App.Sessions;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Events;

public sealed class CommitEventsTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();
    private RevocationIndex Index => _app.Get<RevocationIndex>();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task An_event_counts_once_its_transaction_has_committed_and_not_before()
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await using var transaction = await db.Database.BeginTransactionAsync();
        var (first, second) = (Add(scope), Guid.Empty);
        await db.SaveChangesAsync();
        Assert.False(Index.IsRevoked(first));
        second = Add(scope);
        await db.SaveChangesAsync();
        Assert.False(Index.IsRevoked(second));

        await transaction.CommitAsync();
        Assert.True(Index.IsRevoked(first));
        Assert.True(Index.IsRevoked(second));
    }

    [Fact]
    public async Task Without_a_write_transaction_nothing_can_be_appended()
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        Assert.Throws<InvalidOperationException>(() => Add(scope));
        db.Add(new LoggedEvent { Id = Guid.NewGuid(), Type = EventTypes.SessionRevoked, Reason = "sign-out" });
        await Assert.ThrowsAsync<InvalidOperationException>(() => db.SaveChangesAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_was_not_committed_never_counts_not_even_when_the_context_is_used_again(bool said)
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        Guid undone;
        await using (var transaction = await db.Database.BeginTransactionAsync())
        {
            undone = Add(scope);
            await db.SaveChangesAsync();
            if (said) await transaction.RollbackAsync(); // otherwise as an exception leaves it
        }

        db.ChangeTracker.Clear();
        Guid done;
        await using (var transaction = await db.Database.BeginTransactionAsync())
        {
            await db.SaveChangesAsync();
            done = Add(scope);
            await db.SaveChangesAsync();
            await transaction.CommitAsync();
        }

        Assert.True(Index.IsRevoked(done));
        Assert.False(Index.IsRevoked(undone));
        await using (var transaction = await db.Database.BeginTransactionAsync()) await transaction.CommitAsync();
        Assert.False(Index.IsRevoked(undone));
        Assert.Equal([done], await db.SecurityEvents.Select(e => e.SessionId!.Value).ToListAsync());
    }

    [Fact]
    public async Task An_entry_that_cannot_be_written_takes_its_cause_with_it()
    {
        var user = await _app.SignUpAsync();
        await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("CREATE TRIGGER broken BEFORE INSERT ON SecurityEventLog BEGIN SELECT RAISE(ABORT, 'disk on fire'); END"));
        await Assert.ThrowsAsync<DbUpdateException>(() => EndAsync());
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));

        await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("DROP TRIGGER broken"));
        Assert.Single(await EndAsync());
        Assert.Equal((1, 1L), await _app.DbAsync(async db => (await db.SecurityEvents.CountAsync(), await db.EventCounter.Select(c => c.Value).SingleAsync())));

        Task<IReadOnlyList<Guid>> EndAsync() => _app.ScopedAsync((RevokeSessions revoke) => revoke.RunAsync(s => s.Id == user.SessionId, Causes.EndedByUser, CancellationToken.None));
    }

    [Fact]
    public async Task A_request_that_is_given_up_between_saving_and_committing_ends_no_session()
    {
        var user = await _app.SignUpAsync();
        for (var round = 0; round < 2; round++)
        {
            // The pool hands the same context out again.
            await using var scope = _app.Services.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
            await scope.ServiceProvider.GetRequiredService<RevokeSessions>().InUnitOfWorkAsync(s => s.Id == user.SessionId, Causes.EndedByUser, CancellationToken.None);
            await db.SaveChangesAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => transaction.CommitAsync(new CancellationToken(true)));
        }

        for (var i = 0; i < 5; i++) await _app.SignUpAsync();
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(0, Index.Count);
    }

    private static Guid Add(AsyncServiceScope scope)
    {
        var session = Guid.NewGuid();
        scope.ServiceProvider.GetRequiredService<SecurityEventLog>().SessionRevoked(Causes.SignOut, Guid.NewGuid(), session);
        return session;
    }
}
