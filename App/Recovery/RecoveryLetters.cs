using System.Globalization;
using System.Text.Json;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Factors;
using App.Mail;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Recovery;

/// <summary>Writes the letters that help a person in, back in, and to notice who else tries. Run by the box, never while somebody waits for an answer.</summary>
internal sealed class RecoveryLetters(AppDb db, OneTimeLinks links, LetterPaper paper, AuditLog audit, Brand brand)
{
    private static readonly TimeSpan ConfirmLasts = TimeSpan.FromDays(7);
    private static readonly TimeSpan SignUpLasts = TimeSpan.FromDays(1);

    public static IEnumerable<Draft> Drafts =>
    [
        Of(AskForReset.Letter, (letters, key, ct) => letters.ResetAsync(key, ct)),
        Of(AskForReset.StartedLetter, (letters, id, ct) => letters.ResetStartedAsync(Guid.Parse(id), ct)),
        Of(OwnerLetters.ConfirmEmail, (letters, id, ct) => letters.ConfirmAsync(Guid.Parse(id), ct)),
        Of(OwnerLetters.SignUp, (letters, details, ct) => letters.SignUpAsync(details, ct)),
        Of(OwnerLetters.PasswordChanged, (letters, details, ct) => letters.PasswordChangedAsync(JsonSerializer.Deserialize<WhoAndWhere>(details)!, ct)),
        Of(EndSession.Letter, (letters, session, ct) => letters.OthersEndedAsync(Guid.Parse(session), ct)),
        Of(KnownDevices.Letter, (letters, details, ct) => letters.NewDeviceAsync(JsonSerializer.Deserialize<WhoAndWhere>(details)!, ct)),
    ];

    private static Draft Of(string kind, Func<RecoveryLetters, string, CancellationToken, Task<AddressedLetter?>> write) =>
        new(kind, (services, details, ct) => write(services.GetRequiredService<RecoveryLetters>(), details, ct));

    // To the address of the account, whatever was typed; to a locked one no more than to one that isn't there.
    private async Task<AddressedLetter?> ResetAsync(string asked, CancellationToken ct)
    {
        var (key, returnUrl) = Parts(asked);
        if (await db.Users.Where(u => u.NormalizedEmail == key).Select(u => (Guid?)u.Id).SingleOrDefaultAsync(ct) is not { } id
            || await HeldAsync(id, ct) is not { IsLocked: false } user || user.NormalizedEmail != key) return null;
        using var language = new LanguageOf(user.Language);
        var token = links.Add(SetPassword.ResetLink, user.Id, SetPassword.ResetLasts, user.NormalizedEmail);
        audit.Add("reset-asked", user.Id);
        return Letter(user, Say(Text.ResetSubject), [Say(Text.ResetAsked), Text.ResetOnce], (Text.ResetButton, "/account/reset?token=" + token + Next(returnUrl)), Text.ResetNotYou);
    }

    // That it was started is in the audit already, with who did it.
    private async Task<AddressedLetter?> ResetStartedAsync(Guid id, CancellationToken ct)
    {
        if (await HeldAsync(id, ct) is not { IsLocked: false } user) return null;
        using var language = new LanguageOf(user.Language);
        var token = links.Add(SetPassword.ResetLink, user.Id, SetPassword.ResetLasts, user.NormalizedEmail);
        return Letter(user, Say(Text.ResetSubject), [Say(Text.ResetStarted), Text.ResetOnce], (Text.ResetButton, "/account/reset?token=" + token), Text.ResetNotWanted);
    }

    private async Task<AddressedLetter?> ConfirmAsync(Guid id, CancellationToken ct)
    {
        if (await HeldAsync(id, ct) is not { EmailConfirmed: false } user) return null;
        using var language = new LanguageOf(user.Language);
        var token = links.Add(ConfirmEmail.Link, user.Id, ConfirmLasts, user.NormalizedEmail);
        return Letter(user, Say(Text.ConfirmSubject), [Say(Text.ConfirmWelcome)], (Text.ConfirmButton, "/account/confirm-email?token=" + token), Say(Text.ConfirmNotYou));
    }

    private async Task<AddressedLetter?> SignUpAsync(string asked, CancellationToken ct)
    {
        var (details, returnUrl) = Parts(asked);
        var applicant = JsonSerializer.Deserialize<Applicant>(details)!;
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.NormalizedEmail == applicant.Key, ct) is { } user)
        {
            using var language = new LanguageOf(user.Language);
            return Letter(user, Say(Text.TakenSubject), [Say(Text.TakenTold)], null, Text.TakenNotYou);
        }

        if (await links.HoldsAsync(applicant.Key, null, ct)) return null;
        var token = links.Add(FinishSignUp.Link, null, SignUpLasts, details);
        return new AddressedLetter(
            paper.Write(applicant.Email, Say(Text.ConfirmSubject), [Say(Text.FinishWelcome)], (Text.FinishButton, "/account/finish-sign-up?token=" + token + Next(returnUrl)), Text.FinishNotYou), null);
    }

    // Whoever changes the password or the address, or locks the account, withdraws the links in letters: one who is about to is waited for, or waits.
    private async Task<User?> HeldAsync(Guid id, CancellationToken ct)
    {
        await db.HoldUserAsync(id, ct);
        return await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == id, ct);
    }

    private async Task<AddressedLetter?> PasswordChangedAsync(WhoAndWhere where, CancellationToken ct)
    {
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == where.UserId, ct) is not { } user) return null;
        using var language = new LanguageOf(user.Language);
        return Letter(user, Say(Text.PasswordChangedSubject), [Say(Text.PasswordChangedTold, DeviceOf(where), where.Address)], (Text.PasswordChangedButton, "/account/forgot"), Text.PasswordChangedNotYou);
    }

    private async Task<AddressedLetter?> NewDeviceAsync(WhoAndWhere where, CancellationToken ct)
    {
        if (await HeldAsync(where.UserId, ct) is not { } user) return null;
        using var language = new LanguageOf(user.Language);
        var token = links.Add(NotMe.Link, user.Id, ConfirmLasts, where.SessionId.ToString());
        return Letter(user, Say(Text.NewDeviceSubject), [Say(Text.NewDeviceTold, DeviceOf(where), where.Address), Text.NewDeviceYou], (Text.NewDeviceButton, "/account/not-me?token=" + token), Text.NewDeviceNotYou);
    }

    private async Task<AddressedLetter?> OthersEndedAsync(Guid kept, CancellationToken ct)
    {
        if (await db.Sessions.AsNoTracking().SingleOrDefaultAsync(s => s.Id == kept, ct) is not { } session) return null;
        var user = await db.Users.AsNoTracking().SingleAsync(u => u.Id == session.UserId, ct);
        using var language = new LanguageOf(user.Language);
        var device = SessionWords.Name(Device.Parse(session.UserAgent));
        return Letter(user, Say(Text.OthersEndedSubject), [Say(Text.OthersEndedTold, device, session.Address)], (Text.OthersEndedButton, "/account/forgot"), Text.OthersEndedYou);
    }

    private AddressedLetter Letter(User user, string subject, IReadOnlyList<string> sentences, (string, string)? link, params IReadOnlyList<string> after) =>
        new(paper.Write(user.Email!, subject, sentences, link, after), user.Id);

    // What was asked for, and where the person was going.
    private static (string Details, string? ReturnUrl) Parts(string asked) => asked.Split('\n') is [var details, var returnUrl] ? (details, returnUrl) : (asked, null);

    private static string Next(string? returnUrl) => returnUrl is null ? "" : "&returnUrl=" + Uri.EscapeDataString(returnUrl);

    private static string DeviceOf(WhoAndWhere where) => SessionWords.Name(Device.Parse(where.UserAgent));

    // {0} is the product's name in every text; the rest as given.
    private string Say(string text, params object[] values) => string.Format(CultureInfo.CurrentCulture, text, [brand.Name, .. values]);
}
