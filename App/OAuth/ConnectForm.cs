using System.Buffers;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Primitives;

namespace App.OAuth;

/// <summary>
/// The form of a <c>/connect</c> route. What can't be read, or is too large, is no form, and is remembered to be neither.
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
            if (http.Request.ContentType == UrlEncoded && http.Request.ContentLength is > 0 and <= UsualBytes && await ReadUsualAsync(http.Request, http.RequestAborted) is { } usual) return usual;
            return http.Request.HasFormContentType ? await http.Request.ReadFormAsync(http.RequestAborted) : null;
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException or IOException or ArgumentException)
        {
            http.Features.Set(new Unread(e is BadHttpRequestException { StatusCode: var status } ? status : StatusCodes.Status400BadRequest));
            return null;
        }
    }

    /// <summary>True where a form was sent that is too large, or broken.</summary>
    public static bool IsUnread(HttpContext http) => http.Features.Get<Unread>() is not null;

    /// <summary>A request without what it can't do without: <c>invalid_request</c> (RFC 6749 section 5.2), or the limit that its form has passed.</summary>
    public static ProblemHttpResult Refuse(HttpContext http, Fault missing)
    {
        var problem = http.Features.Get<Unread>() is { Status: var status } ? Problems.ForStatus(status) : Problems.Invalid([missing]);
        if (problem.StatusCode == StatusCodes.Status400BadRequest) problem.ProblemDetails.Extensions["error"] = "invalid_request";
        return problem;
    }

    private static async ValueTask<IFormCollection?> ReadUsualAsync(HttpRequest request, CancellationToken ct)
    {
        var read = await request.BodyReader.ReadAtLeastAsync((int)request.ContentLength!.Value, ct);
        var form = Parse(read.Buffer.IsSingleSegment ? read.Buffer.FirstSpan : read.Buffer.ToArray());
        // What is more than usual is left where it is, for the framework's reader.
        request.BodyReader.AdvanceTo(form is null ? read.Buffer.Start : read.Buffer.End);
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

    private sealed record Unread(int Status);
}
