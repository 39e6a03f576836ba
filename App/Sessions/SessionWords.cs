using System.Globalization;
using App.Events;

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

    /// <summary>Where a session just ended is refused by now: everywhere, or everywhere but at those who are named.</summary>
    public static string Everywhere(ConvergenceView convergence) => convergence switch
    {
        { Behind: [], Seconds: { } seconds } => string.Create(CultureInfo.InvariantCulture, $"Signed out everywhere in {Math.Max(0.1, seconds):0.0} s"),
        { Behind: [] } => "Signed out everywhere",
        { Behind: [var one] } => string.Create(CultureInfo.InvariantCulture, $"Signed out here; waiting for {one.Service} ({one.Seconds:0} s behind)"),
        { Behind: [var first, ..] behind } => string.Create(CultureInfo.InvariantCulture, $"Signed out here; waiting for {first.Service} and {behind.Count - 1} more ({behind.Max(b => b.Seconds):0} s behind)"),
    };

    public static string Within(TimeSpan elapsed) =>
        string.Create(CultureInfo.InvariantCulture, $"Signed out in {Math.Max(0.01, elapsed.TotalSeconds):0.00} s");
}
