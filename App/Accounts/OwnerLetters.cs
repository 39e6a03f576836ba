using System.Text.Json;
using App.Data;
using App.Factors;
using App.Mail;
using App.Sessions;

namespace App.Accounts;

/// <summary>The letters that an account's own events ask for, by kind; Recovery writes them.</summary>
internal static class OwnerLetters
{
    public const string ConfirmEmail = "confirm-email";
    public const string SignUp = "sign-up";
    public const string PasswordChanged = "password-changed";

    /// <summary>So many letters an hour about one address or person, whoever asks for them.</summary>
    public const int AnHour = 3;

    /// <summary>How long a letter counts. The link of one that was asked for is good as long, or anybody could use all of them up and keep a person without.</summary>
    public static readonly TimeSpan Counted = TimeSpan.FromHours(1);

    extension(Outbox outbox)
    {
        public void AskToConfirm(User user) => outbox.AddDraft(ConfirmEmail, user.Id.ToString(), user.NormalizedEmail, user.Id);

        public void TellPasswordChanged(User user, Client client) =>
            outbox.AddDraft(PasswordChanged, JsonSerializer.Serialize(new WhoAndWhere(user.Id, null, client.Address, client.UserAgent)), userId: user.Id);

        /// <returns>False when this address or person has had enough letters for now. In the caller's write transaction.</returns>
        public async Task<bool> MayAskAsync(string countedAs, CancellationToken ct) => await outbox.CountAsync(countedAs, Counted, ct) < AnHour;
    }
}

/// <summary>Somebody who wants an account, until their letter has been answered.</summary>
internal sealed record Applicant(string Email, string Key, string? Name, string PasswordHash);
