using System.Globalization;

namespace App.Ui;

/// <summary>A form that is shown again with what was wrong: the status that scripts see, and the sentences for people.</summary>
internal static class Refusal
{
    public static IReadOnlyList<Fault> Invalid(HttpContext http, IReadOnlyList<Fault> faults)
    {
        http.Response.StatusCode = StatusCodes.Status400BadRequest;
        return faults;
    }

    /// <summary>Also says when to come back, in whole seconds (RFC 9110 section 10.2.3).</summary>
    public static IReadOnlyList<Fault> Wait(HttpContext http, int status, TimeSpan wait, string sentence)
    {
        http.Response.StatusCode = status;
        http.Response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        return [new Fault(sentence)];
    }

    public static IReadOnlyList<Fault> Busy(HttpContext http, TimeSpan wait) =>
        Wait(http, StatusCodes.Status503ServiceUnavailable, wait, Sentence.With(Text.Busy, When.Lasting(wait)));

    /// <summary>The sentence that belongs beside one field.</summary>
    public static string? Of(IReadOnlyList<Fault> faults, string field) => faults.FirstOrDefault(f => f.Field == field)?.Words;
}
