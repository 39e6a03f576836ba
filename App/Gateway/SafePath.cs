using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace App.Gateway;

/// <summary>
/// Which paths mean the same to everybody. A rule is matched against what we read; the service behind decides by what it reads, and where
/// the two can differ (encoded slashes, dot segments, parameters, doubled slashes) the request is refused, not interpreted.
/// </summary>
internal static class SafePath
{
    private static readonly SearchValues<char> Plain = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@/%[]{}|^\"<>`");

    /// <param name="target">The request target as it was sent (RFC 9112 section 3.2).</param>
    public static bool Is(string target)
    {
        var path = target.AsSpan(0, target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var end ? end : target.Length);
        if (path is not ['/', ..] || path.ContainsAnyExcept(Plain) || path.Contains("//", StringComparison.Ordinal)) return false;
        Span<char> decoded = path.Length <= 1024 ? stackalloc char[path.Length] : new char[path.Length];
        return Decode(path, decoded, out var length) && !HasDotSegment(decoded[..length]) && IsUtf8(decoded[..length]);
    }

    // One time, and only what stays an ordinary character of a segment: what is left of `%2525` is nobody's business to decode again.
    private static bool Decode(ReadOnlySpan<char> path, Span<char> decoded, out int length)
    {
        length = 0;
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] != '%')
            {
                decoded[length++] = path[i];
                continue;
            }

            if (i + 2 >= path.Length || !char.IsAsciiHexDigit(path[i + 1]) || !char.IsAsciiHexDigit(path[i + 2])) return false;
            var octet = (char)((Convert.FromHexString(path.Slice(i + 1, 2))[0]) & 0xff);
            if (octet is '/' or '\\' or '%' or ';' or '?' or '#' or < ' ' or '\x7f') return false;
            decoded[length++] = octet;
            i += 2;
        }

        return true;
    }

    // What isn't stays encoded with us, and is encoded once more for the service.
    private static bool IsUtf8(ReadOnlySpan<char> octets)
    {
        if (Ascii.IsValid(octets)) return true;
        var bytes = new byte[octets.Length];
        for (var i = 0; i < octets.Length; i++) bytes[i] = (byte)octets[i];
        return Utf8.IsValid(bytes);
    }

    private static bool HasDotSegment(ReadOnlySpan<char> path)
    {
        foreach (var segment in path.Split('/'))
            if (path[segment] is "." or "..") return true;
        return false;
    }
}
