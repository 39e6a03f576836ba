using System.Globalization;
using System.Text.Json;
using App.Data;
using App.Mail;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

/// <summary>The letters about a changed address and a deleted account.</summary>
internal sealed class ProfileLetters(AppDb db, OneTimeLinks links, LetterPaper paper, Outbox outbox, Brand brand)
{
    public static readonly TimeSpan ConfirmLasts = TimeSpan.FromDays(1);

    public static readonly Draft NewEmail = new(ChangeEmail.Letter, (services, details, ct) => services.GetRequiredService<ProfileLetters>().NewEmailAsync(details, ct));

    /// <summary>To the new address and to the old, which can undo it.</summary>
    public void Changed(User user, string oldEmail, string undo)
    {
        using var language = new LanguageOf(user.Language);
        outbox.Add(paper.Write(user.Email!, Say(Text.EmailChangedSubject), [Say(Text.EmailChangedTold)]), user.Id);
        outbox.Add(paper.Write(oldEmail, Say(Text.EmailChangedSubject), [Say(Text.EmailChangedOld)], (Text.EmailUndoButton, "/account/undo-email?token=" + undo), Text.EmailUndoAfter), user.Id);
    }

    /// <summary>To both as well: whoever wrongly undoes it is seen.</summary>
    public void Undone(User user, string taken)
    {
        using var language = new LanguageOf(user.Language);
        foreach (var to in new[] { user.Email!, taken }) outbox.Add(paper.Write(to, Say(Text.EmailUndoneSubject), [Say(Text.EmailUndoneTold)]), user.Id);
    }

    public void Deleted(User user)
    {
        using var language = new LanguageOf(user.Language);
        outbox.Add(paper.Write(user.Email!, Say(Text.DeletedSubject), [Say(Text.DeletedTold)]));
    }

    private async Task<AddressedLetter?> NewEmailAsync(string details, CancellationToken ct)
    {
        var wanted = JsonSerializer.Deserialize<WantedEmail>(details)!;
        await db.HoldUserAsync(wanted.UserId, ct); // who withdraws the link meanwhile is waited for, or waits
        if (await db.Users.AnyAsync(u => u.NormalizedEmail == wanted.Key && u.Id != wanted.UserId, ct) || await links.HoldsAsync(wanted.Key, wanted.UserId, ct)) return null;
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == wanted.UserId, ct) is not { } user) return null;
        using var language = new LanguageOf(user.Language);
        var token = links.Add(ConfirmNewEmail.Link, wanted.UserId, ConfirmLasts, details);
        return new AddressedLetter(
            paper.Write(wanted.Email, Say(Text.NewEmailSubject), [Say(Text.NewEmailTold)], (Text.NewEmailButton, "/account/confirm-new-email?token=" + token), Text.NewEmailNotYou), wanted.UserId);
    }

    // {0} is the product's name in every text.
    private string Say(string text) => string.Format(CultureInfo.CurrentCulture, text, brand.Name);
}
