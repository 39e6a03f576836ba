using System.Net;
using App.Admin;
using App.Audit;
using App.Events;
using App.Keys;
using App.Shared;
using App.Tests.Admin;
using App.Tests.Attacks;
using App.Tokens;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Keys;

/// <summary>Signing keys in an admin's hands, over JSON.</summary>
public sealed class ManageKeysTests : IAsyncLifetime
{
    private const string Keys = "/api/admin/keys";
    private readonly TestApp _app = TestApp.Start();
    private string _admin = "";

    public async Task InitializeAsync()
    {
        var user = await _app.SignUpAsync();
        await _app.ScopedAsync((ChangeRole change) => change.RunAsync(user.Email, Roles.Admin, granted: true, CancellationToken.None));
        _admin = (await _app.SignInAsync(user)).AccessToken;
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_rotation_brings_the_next_key_in_and_shows_no_private_half()
    {
        var (before, next) = (await IdAsync("current"), await IdAsync("next"));
        var rotated = await _app.SendAsync(HttpMethod.Post, Keys + "/rotate", _admin);
        Assert.Equal(next, (await Answers.JsonAsync(rotated)).GetProperty("current").GetString());
        Assert.Equal((next, before), (await IdAsync("current"), await IdAsync("retired")));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: _admin)); // of the key that has retired
        var text = await (await _app.SendAsync(HttpMethod.Get, Keys, _admin)).Content.ReadAsStringAsync();
        Assert.DoesNotContain("private", text, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_revoked_key_takes_its_tokens_with_it_the_admins_own_included()
    {
        var current = await IdAsync("current");
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, $"{Keys}/{current}/revoke", _admin)).StatusCode);
        Assert.Null(await _app.WhoAmIAsync(bearer: _admin));
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Get, Keys, _admin), 401, "Not authorized");
    }

    [Fact]
    public async Task Ten_rotations_at_once_leave_one_current_and_one_next_key()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => _app.SendAsync(HttpMethod.Post, Keys + "/rotate", _admin)));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        var all = (await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, Keys, _admin))).EnumerateArray().Select(k => k.GetProperty("state").GetString()).ToList();
        Assert.Equal((1, 1), (all.Count(s => s == "current"), all.Count(s => s == "next")));
    }

    [Fact] // of two admins at the same moment
    public async Task Who_rotates_what_another_replica_has_just_rotated_is_told_of_that_one()
    {
        var seen = await IdAsync("current");
        var current = (await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Post, Keys + "/rotate", _admin))).GetProperty("current").GetString();
        await using (var scope = _app.Services.CreateAsyncScope())
        {
            // As a request that came in before it, to a process that hasn't heard of it.
            var admin = Assert.IsType<TokenVerdict.Genuine>(await _app.Get<TokenVerifier>().VerifyAsync(_admin)).User;
            Assert.IsType<SigningKeys.Outcome.Overtaken>(await scope.ServiceProvider.GetRequiredService<ManageKeys>().RotateAsync(seen, admin, CancellationToken.None));
        }

        Assert.Equal(current, await IdAsync("current"));
        Assert.NotEqual(current, (await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Post, Keys + "/rotate", _admin))).GetProperty("current").GetString()); // and later it is another
    }

    [Fact]
    public async Task An_admin_who_is_none_any_more_changes_no_key_and_one_who_is_stands_in_the_audit()
    {
        var (gone, admin) = (await _app.NewAdminAsync(), await _app.NewAdminAsync());
        await _app.GrantAsync(gone, granted: false);
        var (current, next) = (await IdAsync("current"), await IdAsync("next"));
        // As a request that was let in before, and takes its time.
        await using (var scope = _app.Services.CreateAsyncScope())
        {
            var manage = scope.ServiceProvider.GetRequiredService<ManageKeys>();
            Assert.Equal(403, Status((await ManageKeys.HandleRotateAsync(gone.AsCaller(), manage, _app.Get<SigningKeyRing>(), CancellationToken.None)).Result));
            foreach (var key in new[] { current, next })
                Assert.Equal(403, Status((await ManageKeys.HandleRevokeAsync(key, gone.AsCaller(), manage, CancellationToken.None)).Result));
        }

        Assert.Equal((current, next), (await IdAsync("current"), await IdAsync("next")));
        Assert.Equal(0, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.KeyId != null)));
        await _app.ExpectAsync(HttpStatusCode.OK, admin, HttpMethod.Post, Keys + "/rotate");
        await _app.ExpectAsync(HttpStatusCode.OK, admin, HttpMethod.Post, $"{Keys}/{current}/revoke");
        Assert.Equal([("signing-key-rotated", current, admin.Id), ("signing-key-revoked", current, admin.Id)],
            (await _app.DbAsync(db => db.Audit.AsNoTracking().Where(a => a.Action.StartsWith("signing-key-")).OrderBy(a => a.Id).ToListAsync())).Select(a => (a.Action, a.Detail, a.ActorId)));

        static int? Status(IResult answer) => (answer as ProblemHttpResult)?.StatusCode;
    }

    private async Task<string> IdAsync(string state) => (await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, Keys, _admin)))
        .EnumerateArray().First(k => k.GetProperty("state").GetString() == state).GetProperty("id").GetString()!;
}
