using System.Globalization;

namespace App.Ui;

/// <summary>A piece of a bar; its ends are shares of the axis.</summary>
/// <param name="Kind">good, wait or bad, as in the style sheet; ahead for what is yet to come.</param>
public sealed record Mark(double From, double To, string Kind);

/// <summary>One bar, with what is to be read off it in words.</summary>
public sealed record Bar(string Name, IReadOnlyList<Mark> Marks, string Verdict);

/// <summary>A label of the axis.</summary>
public sealed record Tick(double At, string Label);

/// <summary>Where on an axis something stands.</summary>
internal static class Chart
{
    /// <summary>By powers of ten; what is beyond an end stands there.</summary>
    public static double Share(double value, double least, double most) => Math.Clamp(Math.Log(value / least) / Math.Log(most / least), 0, 1);

    /// <summary>For an attribute of SVG.</summary>
    public static string Percent(double share) => (Math.Clamp(share, 0, 1) * 100).ToString("0.###", CultureInfo.InvariantCulture) + "%";
}
