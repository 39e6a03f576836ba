using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Components;

namespace App.Ui;

/// <summary>A text of the resources whose places, <c>{0}</c> and <c>{1}</c>, are filled wherever the language wants them.</summary>
internal static partial class Sentence
{
    public static string With(string text, params ReadOnlySpan<object?> values) => string.Format(CultureInfo.CurrentCulture, text, values);

    /// <summary>The same with markup.</summary>
    public static RenderFragment Of(string text, params RenderFragment[] parts) => builder =>
    {
        var isPart = false;
        foreach (var piece in Place().Split(text))
        {
            // The split leaves words and the numbers of parts in turn.
            if (isPart) builder.AddContent(0, parts[piece[0] - '0']);
            else builder.AddContent(1, piece);
            isPart = !isPart;
        }
    };

    [GeneratedRegex(@"\{(\d)\}")]
    private static partial Regex Place();
}
