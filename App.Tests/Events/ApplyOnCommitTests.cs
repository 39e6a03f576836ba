using App.Data;
using App.Events;
using App.Sessions;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Events;

public sealed class ApplyOnCommitTests : IAsyncLifetime
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
        var (first, second) = (Add(db), Guid.Empty);
        await db.SaveChangesAsync();
        Assert.False(Index.IsRevoked(first));
        second = Add(db);
        await db.SaveChangesAsync();
        Assert.False(Index.IsRevoked(second));

        await transaction.CommitAsync();
        Assert.True(Index.IsRevoked(first));
        Assert.True(Index.IsRevoked(second));
    }

    [Fact]
    public async Task Without_a_transaction_saving_is_committing()
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var session = Add(db);
        Assert.False(Index.IsRevoked(session));
        await db.SaveChangesAsync();
        Assert.True(Index.IsRevoked(session));
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
            undone = Add(db);
            await db.SaveChangesAsync();
            if (said) await transaction.RollbackAsync(); // otherwise as an exception leaves it
        }

        db.ChangeTracker.Clear();
        Guid done;
        await using (var transaction = await db.Database.BeginTransactionAsync())
        {
            await db.SaveChangesAsync();
            done = Add(db);
            await db.SaveChangesAsync();
            await transaction.CommitAsync();
        }

        Assert.True(Index.IsRevoked(done));
        Assert.False(Index.IsRevoked(undone));
        await using (var transaction = await db.Database.BeginTransactionAsync()) await transaction.CommitAsync();
        Assert.False(Index.IsRevoked(undone));
        Assert.Equal([done], await db.SecurityEvents.Select(e => e.SessionId!.Value).ToListAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_save_that_failed_or_was_cancelled_takes_nothing_with_it_that_was_saved_before(bool cancelled)
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await using var transaction = await db.Database.BeginTransactionAsync();
        var saved = Add(db);
        await db.SaveChangesAsync();
        var unsaved = Add(db);
        if (!cancelled) db.Add(new Session { Id = Guid.NewGuid(), UserId = Guid.NewGuid() }); // nobody's
        await Assert.ThrowsAnyAsync<Exception>(() => db.SaveChangesAsync(new CancellationToken(cancelled)));
        db.ChangeTracker.Clear();
        await transaction.CommitAsync();

        Assert.True(Index.IsRevoked(saved));
        Assert.False(Index.IsRevoked(unsaved));
    }

    [Fact]
    public async Task A_failed_save_without_a_transaction_leaves_nothing_to_the_next_user_of_the_context()
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var failed = Add(db);
        db.Add(new Session { Id = Guid.NewGuid(), UserId = Guid.NewGuid() });
        await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        db.ChangeTracker.Clear();
        var done = Add(db);
        await db.SaveChangesAsync();

        Assert.True(Index.IsRevoked(done));
        Assert.False(Index.IsRevoked(failed));
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
            await scope.ServiceProvider.GetRequiredService<RevokeSessions>().InUnitOfWorkAsync(s => s.Id == user.SessionId, "ended-by-user", CancellationToken.None);
            await db.SaveChangesAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => transaction.CommitAsync(new CancellationToken(true)));
        }

        for (var i = 0; i < 5; i++) await _app.SignUpAsync();
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(0, Index.Count);
    }

    private Guid Add(AppDb db)
    {
        var session = Guid.NewGuid();
        new SecurityEventLog(db, _app.Time).SessionRevoked(Guid.NewGuid(), session, "sign-out", TimeSpan.FromMinutes(6));
        return session;
    }
}
