using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using App.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Mail;

/// <summary>The letters that nobody sends in Development: a list, and each as text and as it looks. Elsewhere these routes don't exist.</summary>
internal static partial class DevMail
{
    private const int Most = 100;
    private const string Envelope = "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><rect x=\"3\" y=\"5\" width=\"18\" height=\"14\" rx=\"2\"/><path d=\"m3.5 7 8.5 6 8.5-6\"/></svg>";

    // The letter is shown as a document that can do nothing, with the inline styles that mail clients need.
    private const string LetterPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox allow-popups allow-top-navigation-by-user-activation";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var mail = routes.MapGroup("/dev/mail").AllowAnonymous().ExcludeFromDescription();
        mail.MapGet("/", ListAsync);
        mail.MapGet("/{id:guid}", ReadAsync);
        mail.MapGet("/{id:guid}/html", ShowAsync);
    }

    private static async Task<ContentHttpResult> ListAsync(AppDb db, Outbox outbox, TimeProvider time, CancellationToken ct)
    {
        var rows = await db.Outbox.AsNoTracking().Where(l => l.Draft == null && l.Contents != null).OrderByDescending(l => l.CreatedAt).ThenByDescending(l => l.Id).Take(Most).ToListAsync(ct);
        var list = new StringBuilder();
        foreach (var (row, letter) in rows.Select(r => (r, outbox.Open(r)!)))
            list.Append(CultureInfo.InvariantCulture, $"<li><span class=\"glyph\">{Envelope}</span><div><b><a href=\"/dev/mail/{row.Id}\">{Encode(letter.Subject)}</a></b><div class=\"meta\"><span>{Encode(letter.To)}</span>{When(row.CreatedAt, time.GetUtcNow())}</div></div></li>");
        return Page(Text.DevLetters, rows.Count == 0
            ? $"<div class=\"empty\"><p><b>{Text.DevNone}</b></p><p>{Text.DevNoneWhat}</p></div>"
            : $"<ul class=\"list\">{list}</ul>");
    }

    private static async Task<Results<ContentHttpResult, NotFound>> ReadAsync(Guid id, AppDb db, Outbox outbox, CancellationToken ct) =>
        await FindAsync(id, db, outbox, ct) is { } letter
            ? Page(letter.Subject, $"<p class=\"soft\" data-to>{Encode(letter.To)}</p><div class=\"wire\"><pre data-text>{Link().Replace(Encode(letter.Text), "<a href=\"$0\">$0</a>")}</pre></div><p class=\"after\"><a href=\"/dev/mail/{id}/html\">{Text.DevLook}</a> · <a href=\"/dev/mail\">{Text.DevAll}</a></p>")
            : TypedResults.NotFound();

    private static async Task<Results<ContentHttpResult, NotFound>> ShowAsync(Guid id, AppDb db, Outbox outbox, HttpContext http, CancellationToken ct)
    {
        if (await FindAsync(id, db, outbox, ct) is not { } letter) return TypedResults.NotFound();
        http.Response.Headers.ContentSecurityPolicy = LetterPolicy;
        return TypedResults.Content(letter.Html, "text/html; charset=utf-8");
    }

    private static async Task<Letter?> FindAsync(Guid id, AppDb db, Outbox outbox, CancellationToken ct) =>
        await db.Outbox.AsNoTracking().SingleOrDefaultAsync(l => l.Id == id, ct) is { } row ? outbox.Open(row) : null;

    private static ContentHttpResult Page(string title, string body) => TypedResults.Content(
        $"<!doctype html><html lang=\"{Text.Language}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><title>{Encode(title)}</title><link rel=\"stylesheet\" href=\"/gatehouse.css\"><link rel=\"stylesheet\" href=\"/developer.css\"></head><body><main class=\"hero\"><h1>{Encode(title)}</h1>{body}<p class=\"after\"><a href=\"/\">{Text.DevHome}</a></p></main></body></html>",
        "text/html; charset=utf-8");

    private static string When(DateTimeOffset at, DateTimeOffset now)
    {
        var exact = at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
        var said = (now - at) switch
        {
            { TotalMinutes: < 1 } => Text.DevNow,
            { TotalHours: < 1 } span => Text.DevMinutes.Replace("{0}", $"{(int)span.TotalMinutes}", StringComparison.Ordinal),
            { TotalDays: < 1 } span => Text.DevHours.Replace("{0}", $"{(int)span.TotalHours}", StringComparison.Ordinal),
            _ => exact,
        };
        return $"<time datetime=\"{at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture)}\" title=\"{exact}\">{said}</time>";
    }

    private static string Encode(string text) => WebUtility.HtmlEncode(text);

    // In encoded text, where neither a quote nor an angle bracket is left.
    [GeneratedRegex(@"https?://\S+")]
    private static partial Regex Link();
}
