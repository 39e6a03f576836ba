namespace App.Mail;

/// <summary>Marks a program's route that may write a letter: the person is written to in the language that the request asks for, though the answer stays English.</summary>
internal sealed class WritesLetters
{
    public static readonly WritesLetters Mark = new();
}
