using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Admin;

/// <summary>
/// The audit and the event log as a file for other tools: all that the filter finds, as CSV (RFC 4180) with a line of names, in UTF-8.
/// It is sent as it is read, a thousand rows at a time, so that years of it fill no memory and hold no transaction open.
/// </summary>
internal static partial class ExportLists
{
    private const string Csv = "text/csv; charset=utf-8";
    private const int AtOnce = 1000;

    private static readonly SearchValues<char> Special = SearchValues.Create(",;\"\r\n\t");

    /// <summary>All of the audit that the filters leave, as CSV (RFC 4180) in UTF-8. Columns: id, at, action, user, session, address, detail, actor; the newest first.</summary>
    /// <param name="user">A person's id: only what is about them.</param>
    /// <param name="action">A verb in the past, such as <c>signed-in</c>, at most 40 characters: only those.</param>
    /// <param name="from">An instant (RFC 3339), or a day of UTC: the first that is listed.</param>
    /// <param name="to">The same: the last that is listed, the whole of a day.</param>
    public static Results<PushStreamHttpResult, ProblemHttpResult> AuditAsync(ListAudit list, TimeProvider time, CancellationToken ct, string? user = null, string? action = null, string? from = null, string? to = null)
    {
        var asked = new Asked();
        var (whose, what, period) = (asked.Id(user, "user"), asked.Text(action, "action", ListAudit.LongestAction), asked.Period(from, to));
        return asked.Faults.Count > 0 ? Problems.Invalid(asked.Faults) : File("audit", time, async file =>
        {
            await file.WriteAsync(Line("id", "at", "action", "user", "session", "address", "detail", "actor"));
            for (long? before = null; ;)
            {
                var page = await list.RunAsync(whose, what, period, before, AtOnce, ct);
                foreach (var e in page.Entries) await file.WriteAsync(Line(e.Id, e.At, e.Action, e.User, e.Session, e.Address, e.Detail, e.Actor));
                if ((before = page.Before) is null) return;
            }
        });
    }

    /// <summary>All of the event log that the filters leave, as CSV (RFC 4180) in UTF-8. Columns: cursor, at, type, sub, sid, kid, notBefore and expires in seconds since 1970, reason; in the order of the log.</summary>
    /// <param name="type">The short name of a type of event, such as <c>session-revoked</c>: only those.</param>
    /// <param name="user">A person's id: only what is about them.</param>
    /// <param name="from">An instant (RFC 3339), or a day of UTC: the first that is listed.</param>
    /// <param name="to">The same: the last that is listed, the whole of a day.</param>
    public static Results<PushStreamHttpResult, ProblemHttpResult> EventsAsync(ListEvents list, TimeProvider time, CancellationToken ct, string? type = null, string? user = null, string? from = null, string? to = null)
    {
        var asked = new Asked();
        var (what, whose, period) = (asked.EventType(type), asked.Id(user, "user"), asked.Period(from, to));
        return asked.Faults.Count > 0 ? Problems.Invalid(asked.Faults) : File("events", time, async file =>
        {
            await file.WriteAsync(Line("cursor", "at", "type", "sub", "sid", "kid", "notBefore", "expires", "reason"));
            for (long after = 0, last = -1; after != last;)
            {
                last = after;
                (var events, after) = await list.RunAsync(after, what, whose, period, AtOnce, ct);
                foreach (var e in events) await file.WriteAsync(Line(e.Cursor, e.At, e.Type, e.Sub, e.Sid, e.Kid, e.NotBefore, e.Expires, e.Reason));
            }
        });
    }

    private static PushStreamHttpResult File(string name, TimeProvider time, Func<StreamWriter, Task> write) => TypedResults.Stream(
        async stream =>
        {
            // Not disposed of where reading fails: that would send the line of names, and with it that all is well.
            var file = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
            await write(file);
            await file.DisposeAsync();
        },
        Csv,
        $"{name}-{time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}.csv");

    internal static string Line(params ReadOnlySpan<object?> cells)
    {
        var line = new StringBuilder();
        foreach (var cell in cells)
        {
            var text = cell is DateTimeOffset at ? at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture) : Convert.ToString(cell, CultureInfo.InvariantCulture) ?? "";
            if (cell is string) text = Formula().Replace(text, "$1'");
            line.Append(text.AsSpan().ContainsAny(Special) ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text).Append(',');
        }

        return line.Remove(line.Length - 1, 1).Append("\r\n").ToString();
    }
    // What a spreadsheet would take for the beginning of a formula, also where it divides cells by semicolons or tabs: people name their devices and passkeys.
    [GeneratedRegex(@"(^|[;\t\r\n])(?=\s*[=+\-@＝＋－＠])")]
    private static partial Regex Formula();
}
