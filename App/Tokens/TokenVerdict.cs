namespace App.Tokens;

/// <summary>What a look at a token came to.</summary>
internal abstract record TokenVerdict
{
    /// <summary>Genuine, ours, for this audience, and in its time. Whether it was revoked is another question.</summary>
    public sealed record Genuine(CurrentUser User) : TokenVerdict;

    /// <param name="Reason">In plain words; holds nothing of the token.</param>
    public sealed record Refused(string Reason) : TokenVerdict;
}
