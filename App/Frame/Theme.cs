using App.Ui;

namespace App.Frame;

/// <summary>Light, dark, or what the device says.</summary>
internal static class Theme
{
    public const string Cookie = "theme";

    /// <summary><c>light</c> or <c>dark</c> as chosen; null leaves it to the device.</summary>
    public static string? Of(HttpContext? http) => Known(http?.Request.Cookies[Cookie]);

    /// <summary>The form behind the switch in the footer.</summary>
    public static SeeOther Handle(HttpContext http) => Choices.Remember(http, Cookie, Known(PostedForm.Field(http.Request, "theme")));

    private static string? Known(string? theme) => theme switch { "light" => "light", "dark" => "dark", _ => null };
}
