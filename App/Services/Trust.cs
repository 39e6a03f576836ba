using App.OAuth;

namespace App.Services;

/// <summary>The three ways to trust us, in words, with what each costs.</summary>
internal static class Trust
{
    public static readonly IReadOnlyList<(TrustMode Mode, string Title, string Price)> Choices =
    [
        (TrustMode.ChecksItself, "It checks by itself", "No call for a request. It hears of sign-outs over the event feed, and works on while we are away."),
        (TrustMode.Asks, "It asks us", "One call for each request. Always fresh, and it needs us to be up."),
        (TrustMode.Gateway, "A gateway asks for it", "The gateway in front of it makes that call, and its code just reads a header."),
    ];

    public static string Words(string mode) => Choices.FirstOrDefault(c => c.Mode.ToString() == mode).Title ?? mode;
}
