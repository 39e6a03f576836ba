using App.Factors;
using App.Mail;

namespace App.Accounts;

/// <summary>
/// What somebody who had the old password, or the old address, may have begun and not finished: it ends with what they had.
/// In the caller's write transaction.
/// </summary>
internal sealed class LooseEnds(OneTimeLinks links, Outbox outbox, SecondSteps steps)
{
    /// <summary>The purpose of the link in the letter about a new device.</summary>
    public const string NotMeLink = "not-me";

    /// <summary>The draft of the letter to an address that is wanted, and the purpose of its link.</summary>
    public const string NewEmail = "new-email";

    /// <summary>The password isn't what it was, or soon won't be. "This wasn't me" stays: it can only take more away.</summary>
    public async Task OfPasswordAsync(Guid userId, CancellationToken ct)
    {
        await OfLockAsync(userId, ct);
        await steps.EndAsync(userId, ct);
    }

    /// <summary>
    /// The account is being locked. A second step that is due leads nowhere, and is known for its five minutes all the same, so that its owner
    /// can be told of who tries it.
    /// </summary>
    public async Task OfLockAsync(Guid userId, CancellationToken ct)
    {
        // First the draft: where one is being written just now, this waits until its link is there to be withdrawn.
        await outbox.WithdrawDraftsAsync(userId, NewEmail, ct);
        await links.WithdrawAsync(userId, [SetPassword.ResetLink, NewEmail], ct);
    }

    /// <summary>The account is being unlocked: what was due before the lock isn't any more.</summary>
    public Task OfUnlockAsync(Guid userId, CancellationToken ct) => steps.EndAsync(userId, ct);

    /// <summary>The address isn't what it was: whoever reads the letters sent there must not open the account by them.</summary>
    public async Task OfAddressAsync(Guid userId, CancellationToken ct)
    {
        await outbox.WithdrawDraftsAsync(userId, NewEmail, ct);
        await links.WithdrawAsync(userId, [SetPassword.ResetLink, NewEmail, NotMeLink], ct);
    }
}
