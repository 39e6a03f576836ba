namespace App.Tests.Sessions;

/// <summary>
/// The cookie in a request's header, and beside it whether the session counts. Linked into App.E2E, too:
/// Gatehouse's own reader and the verifiers are held to one table, so that no service reads a request otherwise than Gatehouse does.
/// </summary>
internal static class CookieHeaders
{
    /// <param name="value">A good value of the cookie, which ends with an equals sign.</param>
    /// <returns>By the header, of which each line is one of the request's.</returns>
    public static Dictionary<string, bool> Of(string value)
    {
        var other = value[..^8];
        // The bits that its last character has left over, which decode to nothing, are not all 0.
        const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        var last = value.TrimEnd('=').Length - 1;
        var stray = value[..last] + Alphabet[Alphabet.IndexOf(value[last], StringComparison.Ordinal) + 1] + value[(last + 1)..];
        Assert.Equal(Convert.FromBase64String(value), Convert.FromBase64String(stray));
        return new()
        {
            [$"session={value}"] = true,
            [$"session; session={value}"] = true,
            [$"session={value} ; theme=dark"] = true,
            [$"session={value}; session={value}"] = true,
            [$";;,;=;session={value};;"] = true,
            // A whole Set-Cookie line, or several joined by commas, as programs echo them.
            [$"theme=dark, session={value}"] = true,
            [$"session={value}; path=/; httponly, session_refresh=x; path=/; expires=Thu, 01 Jan 2026 00:00:00 GMT"] = true,
            [$"session_refresh=x; path=/; expires=Thu, 01 Jan 2026 00:00:00 GMT; httponly, session={value}; path=/; httponly"] = true,
            [$"path=/, session={value}; path=/, session={value}"] = true,
            // A browser keeps commas in a value (RFC 6265 section 4.2.1): what stands behind one there is another's, wherever ours stands by itself.
            [$"prefs=a,session=1; session={value}"] = true,
            [$"prefs=a, session=1,session=2; session={value}"] = true,
            [$"session={value}; prefs=a,session=1,session=2"] = true,
            [$"session={value}, session={other}"] = true,
            [$"session={other}, session={value}"] = false,
            // Two values under one name: somebody planted one, and which can't be known.
            [$"session={value}; session={other}"] = false,
            [$"session=; session={value}"] = false,
            [$"session={value} junk; session={value}"] = false,
            [$"path=/, session={value}; path=/, session={other}"] = false,
            [$"prefs=a,session={value}; session={value}; session={other}"] = false,
            // Each line begins anew.
            [$"theme=dark\nsession={value}"] = true,
            [$"session={value}\nsession={value}"] = true,
            [$"prefs=a,session=1\nsession={value}"] = true,
            [$"session={value}\nprefs=a,session=1"] = true,
            [$"session={value}\nsession={other}"] = false,
            // It has one name and one spelling.
            [$"session=\"{value}\""] = false,
            [$"session= {value}"] = false,
            [$"session ={value}"] = false,
            [$"session={value} junk"] = false,
            [$"session={stray}"] = false,
            [$"SESSION={value}; xsession={value}; sessions={value}"] = false,
            ["theme=dark"] = false,
        };
    }
}
