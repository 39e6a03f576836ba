using System.Net;
using App.Admin;
using App.Shared;

namespace App.Tests.Admin;

internal static class Operators
{
    /// <summary>Somebody new who is an admin, signed in as one.</summary>
    public static async Task<TestUser> NewAdminAsync(this TestApp app)
    {
        var user = await app.SignUpAsync();
        await app.GrantAsync(user);
        return await app.SignInAsync(user);
    }

    public static Task<ChangeRole.Outcome> GrantAsync(this TestApp app, TestUser user, bool granted = true) =>
        app.ScopedAsync((ChangeRole change) => change.RunAsync(user.Email, Roles.Admin, granted, CancellationToken.None));

    public static async Task ExpectAsync(this TestApp app, HttpStatusCode status, TestUser admin, HttpMethod method, string path)
    {
        using var answer = await app.SendAsync(method, path, admin.AccessToken);
        Assert.True(answer.StatusCode == status, $"{method} {path}: {(int)answer.StatusCode}, not {(int)status}");
    }

    /// <summary>Who they are to our own code, as their request would have it.</summary>
    public static CurrentUser AsCaller(this TestUser user) =>
        new() { Id = user.Id, SessionId = user.SessionId, TokenId = "", Email = user.Email, IssuedAt = 0, ExpiresAt = 0, AuthTime = 0, KeyId = "" };

    public static Task LockAsync(this TestApp app, TestUser admin, TestUser user, bool locked = true) =>
        app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Post, $"/api/admin/users/{user.Id}/{(locked ? "lock" : "unlock")}");
}
