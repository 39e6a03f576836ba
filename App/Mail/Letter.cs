namespace App.Mail;

/// <summary>One letter to one person, in both its parts. Written by a <see cref="LetterPaper"/>.</summary>
internal sealed record Letter(string To, string Subject, string Text, string Html)
{
    public override string ToString() => "(letter)";
}

/// <summary>
/// A letter that is written only when it is taken out of the box: whether it is sent, to whom and what it says then depends on nothing
/// that the one who asked for it could see or time.
/// </summary>
/// <param name="Kind">Its name in the box, at most 40 characters.</param>
/// <param name="WriteAsync">
/// Reads what <see cref="Outbox.AddDraft"/> was given, inside a write transaction that is committed with the letter; null where there is none to send.
/// </param>
internal sealed record Draft(string Kind, Func<IServiceProvider, string, CancellationToken, Task<AddressedLetter?>> WriteAsync);

/// <param name="UserId">Whom it is about: what still waits for them is erased with their account.</param>
internal sealed record AddressedLetter(Letter Letter, Guid? UserId);
