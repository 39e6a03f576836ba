using App.Sessions;
using Microsoft.Extensions.Primitives;

namespace App.Gateway;

/// <summary>What of a request never reaches a service behind the gateway.</summary>
internal static class StrippedHeaders
{
    private static readonly string[] Identity =
    [
        "x-auth-", "x-authenticated-", "x-user", "x-role", "x-email", "x-group", "x-remote-", "remote-", "x-webauth-", "x-renewed-",
        "x-original-", "x-rewrite-", "x-authentik-", "x-goog-authenticated-", "x-amzn-oidc-", "cf-access-", "x-ms-client-principal", "x-consumer-", "x-pomerium-",
        "x-vouch-", "tailscale-user-", "impersonate-",
    ];

    private static readonly string[] Forwarded = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix"];

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
        // Of the forwarding headers four are ours to write, in one spelling; under any other a stranger would choose their own address.
        if (plain.StartsWith("x-forwarded-") && !Forwarded.Contains(name, StringComparer.OrdinalIgnoreCase)) return true;
        return plain is "x-real-ip" or "client-ip" or "x-client-ip" or "true-client-ip" or "x-cluster-client-ip" or "cf-connecting-ip" or "proxy" or "forwarded" or "x-http-method-override" or "x-http-method" or "x-method-override";
    }

    /// <summary>The client's cookies without ours: a service needs none, and must never see the one that renews, nor the one that makes a device known.</summary>
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

    /// <summary>What a service sets, without what would take the place of ours.</summary>
    public static IEnumerable<string> SetCookies(IEnumerable<string> lines, CookieNames names) => lines.Where(line => line.IndexOf('=', StringComparison.Ordinal) > 0 && !IsOurs(line, names));

    // Cookie-reading code that splits at commas would find ours behind one, so that doesn't pass either.
    private static bool IsOurs(string pair, CookieNames names)
    {
        foreach (var part in pair.Split(','))
        {
            // A cookie without a name comes back from a browser as its value alone.
            var name = part.TrimStart(' ', '\t', '=').Split('=')[0].Trim();
            if (name.Equals(names.Session, StringComparison.OrdinalIgnoreCase) || name.Equals(names.Refresh, StringComparison.OrdinalIgnoreCase)
                || name.Equals(names.Device, StringComparison.OrdinalIgnoreCase)) return true;
        }

        return false;
    }
}
