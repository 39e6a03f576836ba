using System.Text.RegularExpressions;
using App.Mail;
using Microsoft.EntityFrameworkCore;

namespace App.Tests;

/// <summary>What a person would find in their letter box. Reading writes the drafts first, as the background does each second.</summary>
public sealed partial class TestMail(TestApp app)
{
    /// <summary>Every letter to an address, the oldest first.</summary>
    internal async Task<IReadOnlyList<Letter>> ToAsync(string address) => [.. (await AllAsync()).Where(l => l.To == address)];

    internal async Task<Letter> LastToAsync(string address) => (await ToAsync(address))[^1];

    internal async Task<IReadOnlyList<Letter>> AllAsync()
    {
        await app.Get<SendLetters>().RunOnceAsync(CancellationToken.None);
        // Time stands still in tests, so only the order of writing tells what came first.
        var rows = await app.DbAsync(db => db.Outbox.FromSqlRaw("""SELECT * FROM "Outbox" WHERE "Contents" IS NOT NULL ORDER BY rowid""").AsNoTracking().ToListAsync());
        return await app.ScopedAsync<Outbox, IReadOnlyList<Letter>>(outbox => Task.FromResult<IReadOnlyList<Letter>>([.. rows.Select(outbox.Open).OfType<Letter>()]));
    }

    /// <summary>The path and query of the one link in a letter.</summary>
    internal static string LinkIn(Letter letter)
    {
        var address = Assert.Single(Address().Matches(letter.Text)).Value;
        Assert.StartsWith(TestApp.Issuer + "/", address, StringComparison.Ordinal);
        Assert.Contains(System.Net.WebUtility.HtmlEncode(address), letter.Html, StringComparison.Ordinal);
        return address[TestApp.Issuer.Length..];
    }

    /// <summary>The secret in a letter's link.</summary>
    internal static string TokenIn(Letter letter) => LinkIn(letter).Split("token=")[1];

    [GeneratedRegex(@"https?://\S+/account/\S+")]
    private static partial Regex Address();
}

internal static class LetterLinks
{
    /// <summary>Somebody signs in from elsewhere: "this wasn't me", as the owner's letter about it says.</summary>
    public static async Task<string> NotMeLinkAsync(this TestApp app, TestUser user)
    {
        using var answer = await app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = user.Password }, headers: ("User-Agent", "another browser"));
        var link = TestMail.LinkIn(await app.Mail.LastToAsync(user.Email));
        Assert.StartsWith("/account/not-me?token=", link, StringComparison.Ordinal);
        return link;
    }
}
