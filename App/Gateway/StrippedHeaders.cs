using App.Sessions;
using Microsoft.Extensions.Primitives;

namespace App.Gateway;

/// <summary>What of a request never reaches a service behind the gateway.</summary>
internal static class StrippedHeaders
{
    private static readonly string[] Identity =
    [
        "x-auth-", "x-authenticated-", "x-user", "x-role", "x-email", "x-group", "x-remote-", "remote-", "x-webauth-", "x-renewed-",
        "x-forwarded-user", "x-forwarded-email", "x-forwarded-group", "x-forwarded-preferred-username", "x-forwarded-access-token", "x-original-", "x-rewrite-",
    ];

    /// <summary>
    /// True for a name that some service takes for the caller's identity or for the address that was asked for.
    /// Services read <c>_</c> and <c>.</c> as <c>-</c> where a header becomes a variable (CGI, WSGI), so all three count as one.
    /// </summary>
    public static bool IsIdentity(string name)
    {
        Span<char> plain = name.Length <= 128 ? stackalloc char[name.Length] : new char[name.Length];
        for (var i = 0; i < name.Length; i++) plain[i] = name[i] is '_' or '.' ? '-' : char.ToLowerInvariant(name[i]);
        foreach (var prefix in Identity)
            if (plain.StartsWith(prefix)) return true;
        return plain is "forwarded" or "x-http-method-override" or "x-http-method" or "x-method-override";
    }

    /// <summary>The client's cookies without our two: a service needs neither, and must never see the one that renews.</summary>
    /// <returns>Null where nothing is left.</returns>
    public static string? Cookies(StringValues lines, CookieNames names)
    {
        List<string> kept = [];
        foreach (var line in lines)
        {
            foreach (var pair in (line ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                if (!IsOurs(pair, names)) kept.Add(pair);
        }

        return kept.Count == 0 ? null : string.Join("; ", kept);
    }

    /// <summary>What a service sets, without what would take the place of our two.</summary>
    public static IEnumerable<string> SetCookies(IEnumerable<string> lines, CookieNames names) => lines.Where(line => !IsOurs(line.TrimStart(), names));

    // Cookie-reading code that splits at commas would find ours behind one, so that doesn't pass either.
    private static bool IsOurs(string pair, CookieNames names)
    {
        foreach (var part in pair.Split(','))
        {
            var name = part.Split('=')[0].Trim();
            if (name.Equals(names.Session, StringComparison.OrdinalIgnoreCase) || name.Equals(names.Refresh, StringComparison.OrdinalIgnoreCase)) return true;
            if (name.Equals(names.Device, StringComparison.OrdinalIgnoreCase)) return true;
        }

        return false;
    }
}
