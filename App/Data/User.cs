using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>A person with an account. It lives with the context because Identity's context is generic over it.</summary>
public sealed class User : IdentityUser<Guid>
{
    /// <summary>How the person wants to be called; at most 200 characters.</summary>
    public string? Name { get; set; }

    /// <summary>The language they are written to in, such as <c>de</c>. Null where they never chose one: letters are then in that of the request that causes them.</summary>
    public string? Language { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>Seconds since 1970: tokens issued then or before are refused, and new ones are minted with a later <c>iat</c>. Null until something made that necessary.</summary>
    public long? TokensNotBefore { get; set; }

    /// <summary>By an admin: nobody gets in with this account until one unlocks it. In Identity's column for locks that end by themselves, of which there are none here.</summary>
    public bool IsLocked => LockoutEnd is not null;
}

internal static class UserLanguage
{
    extension(AppDb db)
    {
        /// <summary>From now on letters to this person are in that language.</summary>
        public async Task ChooseLanguageAsync(Guid userId, string language, CancellationToken ct)
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            await db.Users.Where(u => u.Id == userId).ExecuteUpdateAsync(set => set.SetProperty(u => u.Language, language), ct);
            await transaction.CommitAsync(ct);
        }
    }
}
