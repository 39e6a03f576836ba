using System.Net;
using App.Data;
using App.Events;
using App.Shared;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Tokens;

public sealed class SigningKeysTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_first_start_makes_a_current_and_a_next_key_and_a_second_start_none()
    {
        var keys = await KeysAsync(_app);
        Assert.Equal([SigningKeyState.Next, SigningKeyState.Current], keys.Select(k => k.State).Order());

        await using var restarted = _app.StartReplica();
        Assert.Equal(keys.Select(k => k.Id).Order(), (await KeysAsync(restarted)).Select(k => k.Id).Order());
    }

    [Fact]
    public async Task Replicas_that_start_at_once_on_an_empty_table_agree_on_one_current_key()
    {
        await using var replica = _app.StartReplica();
        _ = replica.Services;
        for (var round = 0; round < 10; round++)
        {
            await _app.DbAsync(db => db.SigningKeys.ExecuteDeleteAsync());
            await Task.WhenAll(new[] { _app, replica, _app, replica }.Select(app => app.ScopedAsync(async (SigningKeys keys) =>
            {
                await keys.EnsureAsync(CancellationToken.None);
                await app.Get<SigningKeyRing>().LoadAsync();
                return 0;
            })));

            Assert.Equal([SigningKeyState.Next, SigningKeyState.Current], (await KeysAsync(_app)).Select(k => k.State).Order());
            var current = (await KeysAsync(_app)).Single(k => k.State == SigningKeyState.Current).Id;
            Assert.Equal(current, _app.Get<SigningKeyRing>().Signing.Key.KeyId);
            Assert.Equal(current, replica.Get<SigningKeyRing>().Signing.Key.KeyId);
        }
    }

    [Fact]
    public async Task Its_name_is_the_thumbprint_of_its_public_half()
    {
        foreach (var key in await KeysAsync(_app))
        {
            using var ecdsa = System.Security.Cryptography.ECDsa.Create();
            ecdsa.ImportSubjectPublicKeyInfo(key.PublicKey, out _);
            var jwk = new Microsoft.IdentityModel.Tokens.ECDsaSecurityKey(ecdsa);
            Assert.Equal(Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Encode(jwk.ComputeJwkThumbprint()), key.Id);
        }
    }

    [Fact]
    public async Task Private_halves_rest_encrypted_and_no_file_holds_one_in_the_clear()
    {
        var masterKey = _app.Get<MasterKey>();
        foreach (var key in await KeysAsync(_app))
        {
            var plain = masterKey.Decrypt(key.PrivateKey!, SigningKeys.Purpose);
            using var ecdsa = System.Security.Cryptography.ECDsa.Create();
            ecdsa.ImportPkcs8PrivateKey(plain, out _);
            var secret = ecdsa.ExportParameters(true).D!;
            foreach (var file in Directory.GetFiles(_app.Folder))
            {
                var bytes = await ReadAsync(file);
                Assert.Equal(-1, bytes.AsSpan().IndexOf(secret));
            }
        }
    }

    [Fact]
    public async Task At_a_rotation_the_next_key_signs_and_the_old_one_still_verifies()
    {
        var before = await KeysAsync(_app);
        var (current, next) = (Of(before, SigningKeyState.Current), Of(before, SigningKeyState.Next));
        var old = await _app.SignUpAsync();

        var outcome = await _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None));

        Assert.Equal(new SigningKeys.Outcome.Done(next.Id), outcome);
        var after = await KeysAsync(_app);
        Assert.Equal(next.Id, Of(after, SigningKeyState.Current).Id);
        Assert.Equal(current.Id, Of(after, SigningKeyState.Retired).Id);
        Assert.Null(Of(after, SigningKeyState.Retired).PrivateKey);
        Assert.NotNull(Of(after, SigningKeyState.Retired).EndedAt);
        Assert.DoesNotContain(Of(after, SigningKeyState.Next).Id, before.Select(k => k.Id));

        var young = await _app.SignUpAsync();
        Assert.Equal(next.Id, KeyIdOf(young));
        Assert.Equal(current.Id, KeyIdOf(old));
        Assert.Equal(old.Email, await _app.WhoAmIAsync(bearer: old.AccessToken));
        Assert.Equal(young.Email, await _app.WhoAmIAsync(bearer: young.AccessToken));
    }

    [Fact]
    public async Task Twenty_rotations_one_after_the_other_all_succeed()
    {
        for (var i = 0; i < 20; i++)
            Assert.IsType<SigningKeys.Outcome.Done>(await _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None)));
        Assert.Equal(20, (await KeysAsync(_app)).Count(k => k.State == SigningKeyState.Retired));
    }

    [Fact]
    public async Task Twenty_rotations_at_once_leave_one_current_and_one_next_key_and_the_ring_in_order()
    {
        for (var round = 0; round < 3; round++)
        {
            var retired = (await KeysAsync(_app)).Count(k => k.State == SigningKeyState.Retired);
            var outcomes = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None))));
            var after = await KeysAsync(_app);

            Assert.Equal(outcomes.Count(o => o is SigningKeys.Outcome.Done), after.Count(k => k.State == SigningKeyState.Retired) - retired);
            Assert.Equal(Of(after, SigningKeyState.Current).Id, _app.Get<SigningKeyRing>().Signing.Key.KeyId);
            Assert.Single(after, k => k.State == SigningKeyState.Next);
            Assert.Equal(after.Count(k => k.State == SigningKeyState.Retired), await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.Reason == "rotated")));
        }
    }

    [Fact] // ATTACKS 202
    public async Task Tokens_of_a_revoked_key_are_refused_at_the_very_next_request_and_those_of_others_live()
    {
        await using var replica = _app.StartReplica();
        var victim = await _app.SignUpAsync();
        await _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None));
        var bystander = await _app.SignUpAsync();
        foreach (var app in new[] { _app, replica })
        {
            await app.Get<SigningKeyRing>().LoadAsync();
            // Twice: known and cached at both, in both places.
            for (var look = 0; look < 2; look++)
            {
                Assert.NotNull(await app.WhoAmIAsync(bearer: victim.AccessToken));
                Assert.NotNull(await app.WhoAmIAsync(cookies: "session=" + victim.SessionCookie));
                Assert.NotNull(await app.WhoAmIAsync(bearer: bystander.AccessToken));
            }
        }

        Assert.IsType<SigningKeys.Outcome.Done>(await _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(KeyIdOf(victim), CancellationToken.None)));

        await AssertRefusedAsync(_app);
        await replica.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        await AssertRefusedAsync(replica);

        // The person stays signed in: the session isn't the key's.
        Assert.Equal(victim.Email, await replica.WhoAmIAsync(cookies: victim.Cookies));

        async Task AssertRefusedAsync(TestApp app)
        {
            Assert.Null(await app.WhoAmIAsync(bearer: victim.AccessToken));
            Assert.Null(await app.WhoAmIAsync(cookies: "session=" + victim.SessionCookie));
            Assert.Equal(HttpStatusCode.Unauthorized, (await app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: victim.AccessToken)).StatusCode);
            Assert.Equal(bystander.Email, await app.WhoAmIAsync(bearer: bystander.AccessToken));
        }
    }

    [Fact]
    public async Task If_the_current_key_is_revoked_the_next_takes_over_here_and_at_a_replica()
    {
        await using var replica = _app.StartReplica();
        _ = replica.Services;
        var before = await KeysAsync(_app);
        var (current, next) = (Of(before, SigningKeyState.Current), Of(before, SigningKeyState.Next));

        Assert.Equal(new SigningKeys.Outcome.Done(next.Id), await _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(current.Id, CancellationToken.None)));
        await replica.Get<FollowLog>().CatchUpAsync(CancellationToken.None);

        var after = await KeysAsync(_app);
        Assert.Equal(next.Id, Of(after, SigningKeyState.Current).Id);
        Assert.Null(Of(after, SigningKeyState.Revoked).PrivateKey);
        Assert.Equal(next.Id, KeyIdOf(await _app.SignUpAsync()));
        await Eventually(() => replica.Get<SigningKeyRing>().Signing.Key.KeyId == next.Id); // the reload that the event set off
        Assert.Null(replica.Get<SigningKeyRing>().Find(current.Id));
    }

    [Fact]
    public async Task If_the_next_key_is_revoked_there_is_another_and_the_current_goes_on()
    {
        var before = await KeysAsync(_app);
        var current = Of(before, SigningKeyState.Current);
        var outcome = await _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(Of(before, SigningKeyState.Next).Id, CancellationToken.None));

        Assert.Equal(new SigningKeys.Outcome.Done(current.Id), outcome);
        var after = await KeysAsync(_app);
        Assert.Equal(current.Id, Of(after, SigningKeyState.Current).Id);
        Assert.Equal(Of(before, SigningKeyState.Next).Id, Of(after, SigningKeyState.Revoked).Id);
        Assert.DoesNotContain(Of(after, SigningKeyState.Next).Id, before.Select(k => k.Id));
    }

    [Fact]
    public async Task A_key_is_revoked_once_and_an_unknown_one_never()
    {
        var current = Of(await KeysAsync(_app), SigningKeyState.Current);
        Assert.IsType<SigningKeys.Outcome.Done>(await RevokeAsync(current.Id));
        Assert.IsType<SigningKeys.Outcome.NotFound>(await RevokeAsync(current.Id));
        Assert.IsType<SigningKeys.Outcome.NotFound>(await RevokeAsync("no such key"));
        Assert.Equal(1, await _app.DbAsync(db => db.SecurityEvents.CountAsync()));

        Task<SigningKeys.Outcome> RevokeAsync(string id) => _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(id, CancellationToken.None));
    }

    [Fact]
    public async Task A_current_key_under_another_master_key_is_said_and_never_replaced()
    {
        var before = await KeysAsync(_app);
        var other = MasterKey.TryParse(Convert.ToBase64String(new byte[32]), out var key) ? key : null;
        var ring = new SigningKeyRing(_app.Get<Microsoft.Extensions.DependencyInjection.IServiceScopeFactory>(), other!, new TokenOptions(), _app.Time);

        var fault = await Assert.ThrowsAsync<SettingsException>(() => ring.LoadAsync());
        Assert.StartsWith("Keys:MasterKey is not the one", Assert.Single(fault.Faults), StringComparison.Ordinal);
        Assert.False(ring.IsLoaded);
        Assert.Equal(before.Select(k => k.Id), (await KeysAsync(_app)).Select(k => k.Id));
    }

    internal static Task<List<SigningKey>> KeysAsync(TestApp app) => app.DbAsync(db => db.SigningKeys.AsNoTracking().ToListAsync());

    internal static SigningKey Of(IEnumerable<SigningKey> keys, SigningKeyState state) => keys.Single(k => k.State == state);

    internal static string KeyIdOf(TestUser user) =>
        System.Text.Json.JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(user.AccessToken.Split('.')[0])).RootElement.GetProperty("kid").GetString()!;

    /// <summary>Waits for something that another thread is about to do.</summary>
    internal static async Task Eventually(Func<bool> done)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!done()) await Task.Delay(10, patience.Token);
    }

    private static async Task<byte[]> ReadAsync(string file)
    {
        try
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var copy = new MemoryStream();
            await stream.CopyToAsync(copy);
            return copy.ToArray();
        }
        catch (FileNotFoundException) when (file.EndsWith("-shm", StringComparison.Ordinal) || file.EndsWith("-wal", StringComparison.Ordinal))
        {
            return []; // with the last connection, which another test's end may close, SQLite takes what stood there into the database
        }
    }
}
