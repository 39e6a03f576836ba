using App.OAuth;

namespace App.Services;

/// <summary>One way to trust us, with what it costs.</summary>
/// <param name="Time">Its price in latency.</param>
/// <param name="Age">How old an answer may be.</param>
/// <param name="Needs">What it depends on.</param>
internal sealed record TrustChoice(TrustMode Mode, string Title, string Time, string Age, string Needs);

/// <summary>The three ways to trust us, in words.</summary>
internal static class Trust
{
    public static IReadOnlyList<TrustChoice> Choices =>
    [
        new(TrustMode.ChecksItself, Text.ChecksItself, Text.ChecksItselfTime, Text.ChecksItselfAge, Text.ChecksItselfNeeds),
        new(TrustMode.Asks, Text.Asks, Text.AsksTime, Text.AsksAge, Text.AsksNeeds),
        new(TrustMode.Gateway, Text.Gateway, Text.GatewayTime, Text.GatewayAge, Text.GatewayNeeds),
    ];

    public static string Words(string mode) => Choices.FirstOrDefault(c => c.Mode.ToString() == mode)?.Title ?? mode;
}
