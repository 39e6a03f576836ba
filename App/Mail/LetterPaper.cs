using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;

namespace App.Mail;

/// <summary>
/// While this is held, letters are written in the language of whom they are for, whatever the request asks for: whoever has somebody else's
/// password must not choose in which language they are warned. Nothing changes for whoever never chose one.
/// </summary>
internal readonly struct LanguageOf : IDisposable
{
    private readonly CultureInfo _before = CultureInfo.CurrentUICulture;

    public LanguageOf(string? language)
    {
        if (language is not null) CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo(language);
    }

    public void Dispose() => CultureInfo.CurrentUICulture = _before;
}

/// <summary>
/// What all letters look like: a few sentences, at most one button, and who it is from. One set of sentences makes both parts.
/// Addresses start with <c>Issuer</c>; nothing of the request is in them.
/// </summary>
internal sealed class LetterPaper(Brand brand, PublicUrl url)
{
    private const string Box = "max-width:32rem;margin:0 auto;padding:24px;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:#1a1f1d";
    private const string Button = "display:inline-block;padding:12px 20px;border-radius:8px;color:#ffffff;text-decoration:none;font-weight:600";
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <param name="sentences">One paragraph each.</param>
    /// <param name="link">The words of the button, and the path on this service that it leads to.</param>
    /// <param name="after">What is said below the button, such as what to do if it wasn't you.</param>
    public Letter Write(string to, string subject, IReadOnlyList<string> sentences, (string Words, string Path)? link = null, params IReadOnlyList<string> after)
    {
        var text = new StringBuilder();
        var html = new StringBuilder($"<!doctype html><html lang=\"{Encode(Text.Language)}\"><head><meta charset=\"utf-8\"><title>{Encode(subject)}</title></head><body><div style=\"{Box}\">");
        Say(text, html, sentences);
        if (link is var (words, path))
        {
            var address = url.Issuer + path;
            text.Append(words).Append(":\n").Append(address).Append("\n\n");
            html.Append(Invariant, $"<p><a href=\"{Encode(address)}\" style=\"{Button};background:{brand.Accent ?? "#1d6b57"}\">{Encode(words)}</a></p><p style=\"font-size:14px;color:#56605c\">{Encode(Text.OrCopy)}<br><span style=\"word-break:break-all\">{Encode(address)}</span></p>");
        }

        Say(text, html, after);
        text.Append("-- \n").Append(brand.Name).Append(" · ").Append(url.Issuer).Append('\n');
        html.Append(Invariant, $"<p style=\"font-size:14px;color:#56605c\">{Encode(brand.Name)} · {Encode(url.Issuer)}</p></div></body></html>");
        return new Letter(to, subject, text.ToString(), html.ToString());
    }

    private static void Say(StringBuilder text, StringBuilder html, IReadOnlyList<string> sentences)
    {
        foreach (var sentence in sentences)
        {
            text.Append(sentence).Append("\n\n");
            html.Append(Invariant, $"<p>{Encode(sentence)}</p>");
        }
    }

    private static string Encode(string text) => HtmlEncoder.Default.Encode(text);
}
