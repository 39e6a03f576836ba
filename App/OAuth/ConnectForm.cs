using System.Buffers;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace App.OAuth;

/// <summary>
/// The form of a <c>/connect</c> route. What can't be read, or is too large, is no form: the route answers as it does to an empty one.
/// The usual one, a token in a few hundred bytes, is read by hand: the framework's reader is made for anything, and is a fifth of what introspection costs.
/// </summary>
internal static class ConnectForm
{
    private const string UrlEncoded = "application/x-www-form-urlencoded";
    private const int UsualBytes = 16 * 1024;
    private const int UsualFields = 20;

    public static async ValueTask<IFormCollection?> ReadAsync(HttpContext http)
    {
        if (!HttpMethods.IsPost(http.Request.Method)) return null;
        if (http.Features.Get<IFormFeature>() is { Form: { } known }) return known;
        try
        {
            if (http.Request.ContentType == UrlEncoded && http.Request.ContentLength is > 0 and <= UsualBytes) return await ReadUsualAsync(http.Request, http.RequestAborted);
            return http.Request.HasFormContentType ? await http.Request.ReadFormAsync(http.RequestAborted) : null;
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException or IOException or ArgumentException)
        {
            return null;
        }
    }

    private static async ValueTask<IFormCollection?> ReadUsualAsync(HttpRequest request, CancellationToken ct)
    {
        var read = await request.BodyReader.ReadAtLeastAsync((int)request.ContentLength!.Value, ct);
        var form = Parse(read.Buffer.IsSingleSegment ? read.Buffer.FirstSpan : read.Buffer.ToArray());
        request.BodyReader.AdvanceTo(read.Buffer.End);
        if (form is not null) request.Form = form;
        return form;
    }

    // application/x-www-form-urlencoded, WHATWG URL section 5.1.
    private static FormCollection? Parse(ReadOnlySpan<byte> text)
    {
        if (text.Count((byte)'&') >= UsualFields) return null;
        var fields = new Dictionary<string, StringValues>(StringComparer.OrdinalIgnoreCase);
        foreach (var range in text.Split((byte)'&'))
        {
            var field = text[range];
            if (field.IsEmpty) continue;
            var equals = field.IndexOf((byte)'=');
            var name = Decode(equals < 0 ? field : field[..equals]);
            var value = Decode(equals < 0 ? [] : field[(equals + 1)..]);
            fields[name] = fields.TryGetValue(name, out var before) ? StringValues.Concat(before, value) : value;
        }

        return new FormCollection(fields);
    }

    private static string Decode(ReadOnlySpan<byte> text)
    {
        var plain = Encoding.UTF8.GetString(text);
        return text.IndexOfAny((byte)'%', (byte)'+') < 0 ? plain : WebUtility.UrlDecode(plain);
    }
}
