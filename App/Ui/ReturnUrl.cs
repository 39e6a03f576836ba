using System.Text;

namespace App.Ui;

/// <summary>Where a person goes after a detour: only to a path of this origin, or of one that the settings name, whatever the query said.</summary>
internal static class ReturnUrl
{
    /// <summary>The page where a person proves again that it's them.</summary>
    public const string Confirm = "/account/confirm";

    /// <summary>The longest address that is taken back, in characters.</summary>
    public const int MaxLength = 2048;

    // More layers of percent-encoding than this have no honest use.
    private const int MaxLayers = 4;

    /// <summary>
    /// <paramref name="returnUrl"/> if every browser and proxy reads it as a path of ours, otherwise <paramref name="fallback"/>.
    /// What passes is printable ASCII, so it can stand in a <c>Location</c> header as it is.
    /// </summary>
    public static string Local(string? returnUrl, string fallback) => IsLocal(returnUrl) ? returnUrl! : fallback;

    /// <summary>The same, where a page of one of <paramref name="origins"/> is as good as one of ours.</summary>
    public static string Known(string? returnUrl, ReturnOrigins origins, string fallback) =>
        IsLocal(returnUrl) || OriginOf(returnUrl, origins) is not null ? returnUrl! : fallback;

    /// <summary>The same, for a page whose form leads there: browsers hold a form's redirects, too, to the page's <c>form-action</c> (CSP 3).</summary>
    public static string Known(string? returnUrl, HttpContext http, string fallback)
    {
        var origins = http.RequestServices.GetRequiredService<ReturnOrigins>();
        if (OriginOf(returnUrl, origins) is { } origin && !http.Response.HasStarted)
        {
            var policy = http.Response.Headers.ContentSecurityPolicy.ToString();
            if (!policy.Contains(origin, StringComparison.Ordinal))
                http.Response.Headers.ContentSecurityPolicy = policy.Replace("form-action 'self'", "form-action 'self' " + origin, StringComparison.Ordinal);
        }

        return Known(returnUrl, origins, fallback);
    }

    // What follows the origin begins with a slash, or it would be another origin: https://shop.test.evil.test, https://shop.test@evil.test.
    private static string? OriginOf(string? url, ReturnOrigins origins) =>
        url is null ? null : Array.Find(origins.AllowedOrigins, origin => url.StartsWith(origin, StringComparison.Ordinal) && IsLocal(url[origin.Length..]));

    /// <summary>Whose page it is, as its address bar says; null for one of ours.</summary>
    public static string? HostOf(string target) => target.StartsWith('/') ? null : new Uri(target).Authority;

    /// <summary>A page of ours that leads back to <paramref name="returnUrl"/> in the end.</summary>
    public static string Via(string page, string? returnUrl) =>
        string.IsNullOrEmpty(returnUrl) ? page : $"{page}?returnUrl={Uri.EscapeDataString(returnUrl)}";

    /// <summary>The sign-in page, which leads back to the request's own address.</summary>
    public static string SignIn(HttpRequest request) => Via("/account/sign-in", Of(request));

    /// <summary>The address of the page being shown, to come back to.</summary>
    public static string Of(HttpRequest request) => request.Path.ToUriComponent() + request.QueryString.ToUriComponent();

    private static bool IsLocal(string? url)
    {
        if (string.IsNullOrEmpty(url) || url.Length > MaxLength || url[0] != '/') return false;
        // Browsers drop tabs and line breaks and turn a backslash into a slash before they look for a host.
        foreach (var c in url) if (c is <= ' ' or > '~' or '\\') return false;

        var end = url.AsSpan().IndexOfAny('?', '#');
        var path = end < 0 ? url : url[..end];
        // Something between us and the browser may decode the path once more, so each layer has to be as clean as the first.
        for (var layer = 0; layer <= MaxLayers; layer++)
        {
            if (!IsClean(path)) return false;
            var decoded = Uri.UnescapeDataString(path);
            if (decoded == path) return true;
            path = decoded;
        }
        return false;
    }

    private static bool IsClean(string path)
    {
        // U+FFFE is no character, and string.Normalize throws on it.
        foreach (var c in path) if (char.IsControl(c) || c == '\uFFFE') return false;
        // Compatibility forms: a full-width slash is a slash to whoever normalises.
        var plain = path.Normalize(NormalizationForm.FormKC);
        return !plain.Contains('\\', StringComparison.Ordinal) && !plain.Contains("//", StringComparison.Ordinal);
    }
}
