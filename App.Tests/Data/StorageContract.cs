using System.Net;
using System.Net.Http.Json;
using App.Accounts;
using App.Admin;
using App.Audit;
using App.Data;
using App.Events;
using App.Factors;
using App.Mail;
using App.OAuth;
using App.Recovery;
using App.Services;
using App.Sessions;
using App.Tests.Admin;
using App.Tests.OAuth;
using App.Tokens;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Data;

/// <summary>What every database must do for us. One class per provider runs it, each on a fresh, migrated database with two replicas.</summary>
public abstract class StorageContract(StorageContract.Apps apps)
{
    // With a fraction that milliseconds don't hold, and an offset.
    private static readonly DateTimeOffset Odd = new DateTimeOffset(2026, 3, 29, 2, 30, 15, TimeSpan.FromHours(5.5)).AddTicks(1_234_567);

    private static readonly DateTimeOffset LongAgo = Odd.AddYears(-6);

    /// <summary>Two processes on one database of this provider.</summary>
    public abstract class Apps : IAsyncLifetime
    {
        public abstract TestApp One { get; }

        public abstract TestApp Two { get; }

        public abstract Task InitializeAsync();

        public abstract Task DisposeAsync();
    }

    private TestApp One => apps.One;

    private TestApp Two => apps.Two;

    [StorageFact]
    public async Task An_address_has_one_account()
    {
        var key = Guid.NewGuid() + "@example.test";
        await SaveAsync(NewUser(key));

        Assert.True(UniqueViolation.Is(await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(NewUser(key)))));
    }

    [StorageFact]
    public async Task Addresses_differ_where_their_keys_do_however_alike_the_database_may_find_them()
    {
        var id = Guid.NewGuid().ToString("N");
        foreach (var key in new[] { $"strasse-{id}", $"straße-{id}", $"STRASSE-{id}", $"ｓtrasse-{id}" }) await SaveAsync(NewUser(key));
    }

    [StorageFact]
    public async Task Twenty_sign_ups_of_one_address_at_two_replicas_make_one_account()
    {
        var email = $"{Guid.NewGuid():N}@example.test";
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            (i % 2 == 0 ? One : Two).Client.PostAsJsonAsync("/api/users/signup", new { email = i % 3 == 0 ? email.ToUpperInvariant() : email, password = TestApp.Password })));

        var made = Assert.Single(answers, a => a.StatusCode == HttpStatusCode.Created);
        Assert.All(answers.Where(a => a != made), a => Assert.Equal(HttpStatusCode.BadRequest, a.StatusCode));
        var id = (await made.Content.ReadFromJsonAsync<SignedInUser>())!.Id;
        Assert.Equal((1, 1, 2), await One.DbAsync(async db => (
            await db.Users.CountAsync(u => u.NormalizedEmail == email),
            await db.Sessions.CountAsync(s => s.UserId == id),
            await db.Audit.CountAsync(a => a.UserId == id))));
    }

    [StorageFact]
    public async Task A_code_and_a_challenge_are_used_up_by_one_of_twenty_at_two_replicas()
    {
        var user = NewUser();
        await SaveAsync(user);
        var secret = new byte[Totp.SecretSize];
        await SaveAsync(new Authenticator { UserId = user.Id, Secret = Authenticator.Seal(One.Get<MasterKey>(), user.Id, secret), AddedAt = Odd });
        var (challenge, spare) = await One.ScopedAsync(async (IServiceProvider sp) =>
        {
            var begun = (sp.GetRequiredService<SecondSteps>().Begin(user.Id), await sp.GetRequiredService<RecoveryCodes>().ReplaceAsync(user.Id, CancellationToken.None));
            await sp.GetRequiredService<AppDb>().SaveChangesAsync();
            return begun;
        });

        foreach (var use in new Func<IServiceProvider, Task<bool>>[]
        {
            async sp => await sp.GetRequiredService<SecondFactor>().SpendAsync(user.Id, Totp.Code(secret, Totp.StepAt(One.Time.GetUtcNow())), CancellationToken.None) == SecondFactor.Spent.AppCode,
            async sp => await sp.GetRequiredService<SecondFactor>().SpendAsync(user.Id, spare[0], CancellationToken.None) == SecondFactor.Spent.RecoveryCode,
            sp => sp.GetRequiredService<SecondSteps>().FinishAsync(challenge, user.Id, CancellationToken.None),
        })
        {
            var used = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => (i % 2 == 0 ? One : Two).ScopedAsync((IServiceProvider sp) => InTransactionAsync(sp, use))));
            Assert.Single(used, once => once);
        }

        static async Task<bool> InTransactionAsync(IServiceProvider sp, Func<IServiceProvider, Task<bool>> use)
        {
            await using var transaction = await sp.GetRequiredService<AppDb>().BeginWriteAsync(CancellationToken.None);
            var used = await use(sp);
            await transaction.CommitAsync(CancellationToken.None);
            return used;
        }
    }

    [StorageFact]
    public async Task There_is_one_current_and_one_next_key_whoever_makes_a_second()
    {
        foreach (var state in new[] { SigningKeyState.Current, SigningKeyState.Next })
        {
            var second = new SigningKey { Id = Guid.NewGuid().ToString("N"), State = state, CreatedAt = Odd };
            Assert.True(UniqueViolation.Is(await Assert.ThrowsAsync<DbUpdateException>(() => SaveAsync(second))));
        }
    }

    [StorageFact]
    public async Task There_may_be_any_number_of_retired_and_revoked_keys()
    {
        foreach (var state in new[] { SigningKeyState.Retired, SigningKeyState.Retired, SigningKeyState.Revoked, SigningKeyState.Revoked })
            await SaveAsync(new SigningKey { Id = Guid.NewGuid().ToString("N"), State = state, CreatedAt = LongAgo, EndedAt = LongAgo });
    }

    [StorageFact]
    public async Task Rotations_at_two_replicas_at_once_leave_one_current_and_one_next_key()
    {
        var before = await StatesAsync();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            (i % 2 == 0 ? One : Two).ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None))));
        var after = await StatesAsync();

        var done = outcomes.Count(o => o is SigningKeys.Outcome.Done);
        Assert.InRange(done, 1, 20);
        Assert.Equal(1, after.GetValueOrDefault(SigningKeyState.Current));
        Assert.Equal(1, after.GetValueOrDefault(SigningKeyState.Next));
        Assert.Equal(done, after.GetValueOrDefault(SigningKeyState.Retired) - before.GetValueOrDefault(SigningKeyState.Retired));

        Task<Dictionary<SigningKeyState, int>> StatesAsync() => One.DbAsync(db => db.SigningKeys.GroupBy(k => k.State).ToDictionaryAsync(g => g.Key, g => g.Count()));
    }

    [StorageFact]
    public async Task A_service_registered_twenty_times_at_two_replicas_is_registered_once_and_known_to_both()
    {
        var id = "s" + Guid.NewGuid().ToString("N");
        var admin = (await One.NewAdminAsync()).AsCaller();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            (i % 2 == 0 ? One : Two).ScopedAsync((AddService add) => add.TryAsync(new AddServiceRequest { Id = id }, admin, CancellationToken.None))));

        var secret = Assert.IsType<AddService.Outcome.Added>(Assert.Single(outcomes, o => o is AddService.Outcome.Added)).Secret.Secret;
        foreach (var app in new[] { One, Two })
        {
            await app.Get<ServiceRegistry>().CatchUpAsync(CancellationToken.None);
            Assert.NotNull(app.Get<ServiceRegistry>().Authenticate(id, secret));
        }
    }

    [StorageFact]
    public async Task The_cursor_grows_and_none_is_given_twice()
    {
        var first = await AppendAsync();
        var second = await AppendAsync();
        Assert.True(second > first);

        await One.DbAsync(db => db.SecurityEvents.Where(e => e.Cursor >= first).ExecuteDeleteAsync());
        Assert.True(await AppendAsync() > second);

        Task<long> AppendAsync() => AppendToAsync(One, 1);
    }

    [StorageFact]
    public async Task An_instant_comes_back_to_the_tick_and_compares_and_sorts_as_an_instant()
    {
        var user = NewUser();
        await SaveAsync(user);
        // In another offset, and in an order of local times that isn't the order of instants.
        var (earlier, later) = (NewSession(user.Id, Odd), NewSession(user.Id, Odd.AddTicks(1).ToOffset(TimeSpan.FromHours(-8))));
        await SaveAsync(later, earlier);

        await One.DbAsync(async db =>
        {
            var rows = db.Sessions.AsNoTracking().Where(s => s.UserId == user.Id);
            Assert.Equal([Odd, Odd.AddTicks(1)], await rows.OrderBy(s => s.StartedAt).Select(s => s.StartedAt).ToListAsync());
            Assert.Equal(later.Id, await rows.Where(s => s.StartedAt > Odd).Select(s => s.Id).SingleAsync());
            Assert.Equal(earlier.Id, await rows.Where(s => s.StartedAt <= Odd.ToOffset(TimeSpan.FromHours(9))).Select(s => s.Id).SingleAsync());
            Assert.Equal(2, await rows.CountAsync(s => s.RevokedAt == null));
            return 0;
        });
    }

    [StorageFact]
    public async Task With_a_user_go_their_sessions_and_factors_but_not_what_happened()
    {
        var user = await One.SignUpAsync();
        await SaveAsync(NewPasskey(user.Id));
        await One.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);

        await One.DbAsync(db => db.Users.Where(u => u.Id == user.Id).ExecuteDeleteAsync());

        Assert.Equal((0, 0, 3, 1), await One.DbAsync(async db => (
            await db.Sessions.CountAsync(s => s.UserId == user.Id),
            await db.Set<IdentityUserPasskey<Guid>>().CountAsync(p => p.UserId == user.Id),
            await db.Audit.CountAsync(a => a.UserId == user.Id),
            await db.SecurityEvents.CountAsync(e => e.UserId == user.Id))));
    }

    [StorageFact]
    public async Task Of_many_guesses_at_once_ten_are_let_through_and_two_rows_tell_of_them()
    {
        var address = $"{Guid.NewGuid():N}@example.test";
        var user = await One.SignUpAsync();
        var waits = await Task.WhenAll(Enumerable.Range(0, 60).Select(i =>
            (i % 2 == 0 ? One : Two).ScopedAsync(async (GuessLimits guesses) =>
            {
                var wait = await guesses.ReserveAsync(address, CancellationToken.None);
                if (wait is null) await guesses.CountWrongAsync(address, new WrongGuess(user.Id, Amr.Password, new Client("192.0.2.1", "curl/8")));
                return wait;
            })));
        Assert.Equal(GuessLimits.Allowed, waits.Count(w => w is null));
        Assert.Equal([GuessLimits.Refused, GuessLimits.LockedOut], await One.DbAsync(db => db.Audit.Where(a => a.UserId == user.Id && a.Address == "192.0.2.1").OrderBy(a => a.Id).Select(a => a.Action).ToListAsync()));
    }

    [StorageFact]
    public async Task Of_many_letters_asked_for_at_once_at_two_replicas_three_are_sent()
    {
        var user = await One.SignUpAsync();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            (i % 2 == 0 ? One : Two).ScopedAsync((AskForReset ask) => ask.TryAsync(new ForgotRequest { Email = user.Email }, CancellationToken.None))));

        Assert.True(EmailAddress.TryParse(user.Email, out var email));
        Assert.Equal(OwnerLetters.AnHour, await One.ScopedAsync((Outbox letters) => letters.CountAsync($"{AskForReset.Letter} {email.Key}", OwnerLetters.Counted, CancellationToken.None)));
    }

    [StorageFact]
    public async Task Of_many_that_end_a_session_at_once_one_does()
    {
        var user = await One.SignUpAsync();
        var ended = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            (i % 2 == 0 ? One : Two).ScopedAsync((RevokeSessions revoke) => revoke.RunAsync(s => s.Id == user.SessionId, Causes.EndedByUser, CancellationToken.None))));

        Assert.Equal(user.SessionId, Assert.Single(ended.SelectMany(e => e)));
        Assert.Equal((1, 1), await TracesAsync(user.SessionId));
    }

    [StorageFact]
    public async Task Whoever_holds_a_token_for_a_service_the_end_of_their_session_is_told_to_it()
    {
        for (var round = 0; round < 6; round++)
        {
            var user = await One.SignUpAsync();
            var binding = Enumerable.Range(0, 4).Select(i => Task.Run(() => (i % 2 == 0 ? One : Two).BindAsync(user, "orders-api"))).ToList();
            if (round % 2 == 0) await binding[0];
            await Two.ScopedAsync((RevokeSessions revoke) => revoke.RunAsync(s => s.Id == user.SessionId, Causes.EndedByUser, CancellationToken.None));
            var handedOut = (await Task.WhenAll(binding)).Any(token => token is not null);

            var entry = await One.DbAsync(db => db.SecurityEvents.SingleAsync(e => e.SessionId == user.SessionId));
            if (handedOut) Assert.Equal("orders-api", entry.Audiences);
            Assert.False(await One.DbAsync(db => db.BoundAudiences.AnyAsync(b => b.SessionId == user.SessionId)));
        }
    }

    [StorageFact]
    public async Task Of_two_roles_granted_at_once_the_later_entry_names_both()
    {
        var user = await One.SignUpAsync();
        await Task.WhenAll(((string[])["clerk", "guard"]).Select((role, i) =>
            (i == 0 ? One : Two).ScopedAsync((ChangeRole change) => change.RunAsync(user.Email, role, granted: true, CancellationToken.None))));
        var told = await One.DbAsync(db => db.SecurityEvents.Where(e => e.UserId == user.Id).OrderBy(e => e.Cursor).Select(e => e.Claims).ToListAsync());
        Assert.Equal(2, told.Count);
        Assert.Equal("""{"roles":["clerk","guard"]}""", told[1]);
    }

    [StorageFact]
    public async Task A_failure_in_the_middle_leaves_nothing()
    {
        var user = await One.SignUpAsync();
        await using var scope = One.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var revoke = scope.ServiceProvider.GetRequiredService<RevokeSessions>();
        DbUpdateException failure;
        await using (await db.BeginWriteAsync(CancellationToken.None))
        {
            await revoke.InUnitOfWorkAsync(s => s.Id == user.SessionId, Causes.Replaced, CancellationToken.None);
            await db.SaveChangesAsync();
            db.Add(NewSession(userId: Guid.NewGuid(), Odd)); // nobody's
            failure = await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        }

        Assert.False(UniqueViolation.Is(failure));
        Assert.Equal((0, 0), await TracesAsync(user.SessionId));
        Assert.Null(await One.DbAsync(db => db.Sessions.Where(s => s.Id == user.SessionId).Select(s => s.RevokedAt).SingleAsync()));
        Assert.Equal(user.Email, await One.WhoAmIAsync(bearer: user.AccessToken));
    }

    [StorageFact]
    public async Task Whoever_renews_at_the_same_moment_gets_the_same_successor_and_the_row_holds_it()
    {
        var user = await One.SignUpAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(i =>
            (i % 2 == 0 ? One : Two).ScopedAsync((RenewSession renew) => renew.TryAsync(user.RefreshToken, CancellationToken.None))));

        var successor = Assert.Single(answers.Select(a => Assert.IsType<RenewSession.Outcome.Renewed>(a).Grant.RefreshToken).Distinct());
        var stored = await One.DbAsync(db => db.Sessions.Where(s => s.Id == user.SessionId).Select(s => s.RefreshHash).SingleAsync());
        Assert.Equal(RefreshToken.Parse(successor, One.Get<RefreshKey>())!.Hash(), stored);
    }

    [StorageFact]
    public async Task The_log_has_no_gap_and_no_late_entry_for_a_reader_while_two_replicas_write()
    {
        var before = await One.DbAsync(db => db.EventCounter.Select(c => c.Value).SingleAsync());
        using var done = new CancellationTokenSource();
        var reader = Task.Run(async () =>
        {
            // By cursor alone: whatever would turn up below a cursor that was read is never found.
            var (read, last) = (new List<long>(), before);
            for (var more = true; more;)
            {
                more = !done.IsCancellationRequested;
                var next = await Two.DbAsync(db => db.SecurityEvents.Where(e => e.Cursor > last).OrderBy(e => e.Cursor).Select(e => e.Cursor).ToListAsync());
                read.AddRange(next);
                last = next.Count > 0 ? next[^1] : last;
            }

            return read;
        });
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => AppendToAsync(i % 2 == 0 ? One : Two, 1 + (i % 3))));
        await done.CancelAsync();

        var total = Enumerable.Range(0, 40).Sum(i => 1 + (i % 3));
        Assert.Equal(Enumerable.Range(1, total).Select(i => before + i), await reader);
    }

    [StorageFact]
    public async Task An_entry_lasts_for_the_longest_life_that_anybody_has_said_they_mint_with_however_many_say_so_at_once()
    {
        var now = Odd.AddYears(10);
        var facts = One.Get<TokenFacts>();
        await Task.WhenAll(Enumerable.Range(0, 10).Select(i => (i % 2 == 0 ? One : Two).DbAsync(async db =>
        {
            await TokenLife.RenewAsync(db, facts with { Lifetime = TimeSpan.FromSeconds(1000 + (i % 3)) }, now.AddMinutes(i % 4), CancellationToken.None);
            return 0;
        })));
        await AppendToAsync(One, 1);
        var entry = await Two.DbAsync(db => db.SecurityEvents.OrderByDescending(e => e.Cursor).FirstAsync());
        Assert.Equal(TimeSpan.FromSeconds(1002 + 60), entry.ExpiresAt - entry.OccurredAt);
        Assert.Equal(
            [(1000, now.AddMinutes(3)), (1001, now.AddMinutes(3)), (1002, now.AddMinutes(2))],
            (await One.DbAsync(db => db.TokenLives.OrderBy(l => l.Seconds).ToListAsync())).Select(l => (l.Seconds, l.AliveUntil - TokenLife.Notice - facts.AliveFor(TimeSpan.FromSeconds(l.Seconds)))));
        await One.DbAsync(db => db.TokenLives.ExecuteDeleteAsync());
    }

    [StorageFact]
    public async Task A_cursor_that_was_rolled_back_is_given_out_again()
    {
        var first = await AppendToAsync(One, 1);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => AppendToAsync(One, 1, new CancellationToken(true)));
        Assert.Equal(first + 1, await AppendToAsync(Two, 1));
    }

    private static async Task<long> AppendToAsync(TestApp app, int count, CancellationToken commit = default)
    {
        await using var scope = app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
        for (var i = 0; i < count; i++) scope.ServiceProvider.GetRequiredService<SecurityEventLog>().SessionRevoked(Causes.SignOut, Guid.NewGuid(), Guid.NewGuid());
        await transaction.CommitAsync(commit);
        return await db.EventCounter.Select(c => c.Value).SingleAsync(CancellationToken.None);
    }

    private Task<int> SaveAsync(params object[] rows) => One.DbAsync(db =>
    {
        db.AddRange(rows);
        return db.SaveChangesAsync();
    });

    private Task<(int Events, int Audit)> TracesAsync(Guid sessionId) => One.DbAsync(async db => (
        await db.SecurityEvents.CountAsync(e => e.SessionId == sessionId),
        await db.Audit.CountAsync(a => a.SessionId == sessionId && a.Action == "session-ended")));

    private static User NewUser(string? key = null)
    {
        key ??= Guid.NewGuid() + "@example.test";
        return new User { Id = Guid.NewGuid(), Email = key, NormalizedEmail = key, UserName = key, NormalizedUserName = key, CreatedAt = Odd };
    }

    private static Session NewSession(Guid userId, DateTimeOffset at) => new()
    {
        Id = Guid.NewGuid(),
        UserId = userId,
        StartedAt = at,
        LastSeenAt = at,
        AuthenticatedAt = at,
        ExpiresAt = at.AddDays(1),
        RefreshHash = new byte[32],
    };

    private static LoggedEvent NewEvent() => new()
    {
        Cursor = -Random.Shared.NextInt64(1, long.MaxValue), // far from those that are given out
        Id = Guid.NewGuid(),
        Type = EventTypes.SessionRevoked,
        Reason = "sign-out",
        OccurredAt = Odd,
        ExpiresAt = Odd,
        UserId = Guid.NewGuid(),
        SessionId = Guid.NewGuid(),
    };

    private static IdentityUserPasskey<Guid> NewPasskey(Guid userId) => new()
    {
        UserId = userId,
        CredentialId = Guid.NewGuid().ToByteArray(),
        Data = new IdentityPasskeyData { PublicKey = [1], AttestationObject = [1], ClientDataJson = [1], Name = "key", CreatedAt = Odd },
    };
}
