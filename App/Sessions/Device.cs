namespace App.Sessions;

/// <summary>A user agent in words a person recognises. Good enough to tell one's own devices apart; decides nothing.</summary>
/// <param name="Kind"><c>desktop</c>, <c>phone</c> or <c>program</c>.</param>
internal sealed record Device(string Browser, string Os, string Kind)
{
    // What programs are told; people read it in their own language (SessionWords).
    private const string UnknownBrowser = "A browser";
    private const string UnknownSystem = "an unknown system";
    private const string UnknownProgram = "A program";

    public bool IsKnown => Browser is not (UnknownBrowser or UnknownProgram);
    public bool KnowsSystem => Os != UnknownSystem;

    // Order matters: nearly every browser also claims to be those before it.
    private static readonly (string Mark, string Name)[] Browsers =
    [
        ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
    ];

    private static readonly (string Mark, string Name)[] Systems =
    [
        ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"),
    ];

    public static Device Parse(string userAgent)
    {
        if (!userAgent.StartsWith("Mozilla/", StringComparison.Ordinal)) return new Device(ProgramName(userAgent), "", "program");
        var os = Find(Systems, userAgent, UnknownSystem);
        var kind = os is "iPhone" or "iPad" or "Android" || userAgent.Contains("Mobile", StringComparison.Ordinal) ? "phone" : "desktop";
        return new Device(Find(Browsers, userAgent, UnknownBrowser), os, kind);
    }

    private static string Find((string Mark, string Name)[] table, string userAgent, string otherwise) =>
        Array.Find(table, row => userAgent.Contains(row.Mark, StringComparison.Ordinal)).Name ?? otherwise;

    // The product token before the first slash (RFC 9110 section 10.1.5), if it reads like one.
    private static string ProgramName(string userAgent)
    {
        var end = userAgent.IndexOfAny(['/', ' ']);
        var name = end < 0 ? userAgent : userAgent[..end];
        return name.Length is > 0 and <= 40 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? name : UnknownProgram;
    }
}
