using System.Globalization;
using App.Ui;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Passwords;

/// <summary>
/// How strong a new password is, asked by the page while it is typed: the judgement that it will meet when it is sent, in the page's language.
/// It is kept and logged nowhere. The form works without it.
/// </summary>
internal sealed class JudgePassword(PasswordPolicy policy)
{
    // Bits that a guesser pays, by the same account that refuses what is guessable (about 30).
    private const int Good = 45, Strong = 60;

    /// <param name="Level">0: will be refused, or would better be; 1: enough; 2: good; 3: strong.</param>
    /// <param name="Words">What to say about it.</param>
    internal sealed record Verdict(int Level, string Words);

    /// <param name="email">Whose it will be, where the form doesn't say.</param>
    public Ok<Verdict> Answer(HttpRequest request, string? email, string? name) => TypedResults.Ok(Of(
        PostedForm.Field(request, "password") ?? "",
        PostedForm.Field(request, "email") ?? email ?? "",
        PostedForm.Field(request, "name") ?? name,
        int.TryParse(PostedForm.Field(request, "min"), NumberStyles.None, CultureInfo.InvariantCulture, out var min) ? min : int.MaxValue));

    /// <param name="min">The length that the page asks for, which is less for somebody with a second factor.</param>
    public Verdict Of(string password, string email, string? name, int min)
    {
        if (policy.Check(password, email, name, hasSecondFactor: min < policy.LengthFor(hasSecondFactor: false).Min) is [var fault, ..]) return new Verdict(0, fault.Words);
        return policy.BitsOf(password, email, name) switch
        {
            >= Strong => new Verdict(3, Text.Strong),
            >= Good => new Verdict(2, Text.Good),
            >= GuessablePassword.EnoughBits => new Verdict(1, Text.Enough),
            _ => new Verdict(0, Text.TakenThough),
        };
    }
}
