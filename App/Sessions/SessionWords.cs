using System.Globalization;

namespace App.Sessions;

/// <summary>A session in the words of its owner.</summary>
internal static class SessionWords
{
    public static string Name(SessionView session) => session switch
    {
        { Kind: "program", Browser: "A program" } => "A program",
        { Kind: "program" } => $"{session.Browser} (program)",
        { Os: "" } => session.Browser,
        _ => $"{session.Browser} on {session.Os}",
    };

    /// <summary>RFC 8176 values as people say them.</summary>
    public static string Method(IReadOnlyList<string> amr)
    {
        var key = amr.Contains("hwk") || amr.Contains("swk");
        return (amr.Contains("pwd"), key, amr.Contains("otp")) switch
        {
            (true, true, _) => "Password and passkey",
            (true, _, true) => "Password and code",
            (true, _, _) => "Password",
            (_, true, _) => "Passkey",
            _ => "Signed in",
        };
    }

    public static string Within(TimeSpan elapsed) =>
        string.Create(CultureInfo.InvariantCulture, $"Signed out in {Math.Max(0.01, elapsed.TotalSeconds):0.00} s");
}
