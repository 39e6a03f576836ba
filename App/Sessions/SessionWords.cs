using App.Events;
using App.Ui;

namespace App.Sessions;

/// <summary>A session in the words of its owner.</summary>
internal static class SessionWords
{
    public static string Name(SessionView session) => Name(new Device(session.Browser, session.Os, session.Kind));

    public static string Name(Device device) => device switch
    {
        { Kind: "program" } => device.IsKnown ? Sentence.With(Text.ProgramNamed, device.Browser) : Text.Program,
        { Os: "" } => BrowserOf(device),
        _ => Sentence.With(Text.BrowserOn, BrowserOf(device), device.KnowsSystem ? device.Os : Text.System),
    };

    /// <summary>RFC 8176 values as people say them.</summary>
    public static string Method(IReadOnlyList<string> amr)
    {
        var key = amr.Contains("hwk") || amr.Contains("swk");
        return (amr.Contains("pwd"), key, amr.Contains("otp")) switch
        {
            (true, true, _) => Text.PasswordAndPasskey,
            (true, _, true) => Text.PasswordAndCode,
            (true, _, _) => Text.Password,
            (_, true, _) => Text.Passkey,
            (_, _, true) => Text.Code,
            _ => Text.OtherMethod,
        };
    }

    /// <summary>By name, as far as a sentence bears it.</summary>
    /// <param name="unnamed">How many there are besides.</param>
    public static string Others(IReadOnlyList<string> names, int unnamed) => names switch
    {
        [] => Text.EndOthersUnnamed,
        [var one] when unnamed == 0 => one,
        [var one] => Sentence.With(Text.EndOthersNames, one, unnamed),
        [var one, var two] when unnamed == 0 => $"{one}, {two}",
        [var one, var two, ..] => Sentence.With(Text.EndOthersNames, $"{one}, {two}", names.Count - 2 + unnamed),
    };

    /// <summary>Where a session just ended is refused by now: everywhere, or everywhere but at those who are named.</summary>
    public static string Everywhere(ConvergenceView convergence) => convergence switch
    {
        { Behind: [], Seconds: { } seconds } => Sentence.With(Text.EverywhereIn, Math.Max(0.1, seconds)),
        { Behind: [] } => Text.Everywhere,
        { Behind: [var one] } => Sentence.With(Text.WaitingForOne, one.Service, one.Seconds),
        { Behind: [var first, ..] behind } => Sentence.With(Text.WaitingForMany, first.Service, behind.Count - 1, behind.Max(b => b.Seconds)),
    };

    public static string Within(TimeSpan elapsed) => Sentence.With(Text.Within, Math.Max(0.01, elapsed.TotalSeconds));

    private static string BrowserOf(Device device) => device.IsKnown ? device.Browser : Text.Browser;
}
