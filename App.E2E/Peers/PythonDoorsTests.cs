using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using App.E2E.Harness;

namespace App.E2E.Peers;

/// <summary>The verifier for Python is no framework's: it takes what WSGI and what ASGI give an application, whatever a stranger has sent.</summary>
[Collection("Verifiers")]
public sealed class PythonDoorsTests
{
    [Theory]
    [InlineData("wsgi")]
    [InlineData("asgi")]
    public async Task A_caller_is_known_at_this_door_and_whoever_bends_a_header_is_not(string door)
    {
        await using var gatehouse = new StandIn(("first", ECDsa.Create(ECCurve.NamedCurves.nistP256)));
        await using var peer = await Peer.StartAsync(door, gatehouse.Url, StandIn.Issuer, StandIn.Audience);
        var (user, session) = (Guid.NewGuid().ToString(), Guid.NewGuid().ToString());
        var token = gatehouse.Mint(user, session);
        var (cookie, other) = (CookieOf(token), CookieOf(gatehouse.Mint(user, session)));

        (string Says, string[] Headers)[] expected =
        [
            (user, ["Authorization: Bearer " + token]),
            (user, ["AUTHORIZATION: bearer " + token]),
            (user, ["Cookie: " + cookie]),
            (user, ["Cookie: a=\u00e9; " + cookie + "; b=c"]),
            (user, ["Cookie: a=b", "Cookie: " + cookie, "Cookie: " + cookie]),
            (user, ["Authorization: Bearer " + token, "Cookie: " + other]),
            (user, ["Authorization: Basic abc", "Cookie: " + cookie]),
            (user, ["X-Junk: \u00ff\u00fe\u0080", "Authorization: Bearer " + token]),
            ("missing", []),
            ("missing", ["Http-Authorization: Bearer " + token, "Http-Cookie: " + cookie]),
            ("missing", ["HTTP_AUTHORIZATION: Bearer " + token, "HTTP_COOKIE: " + cookie]),
            ("missing", ["X-Authorization: Bearer " + token]),
            ("missing", ["Authorization: \u00ff\u00fe"]),
            ("malformed", ["Authorization: Bearer " + token, "Authorization: Bearer " + token]),
            ("malformed", ["Authorization: Bearer " + token, "Authorization: Basic abc"]),
            ("malformed", ["Authorization: Basic abc", "Authorization: Bearer " + token]),
            ("malformed", ["Authorization: Bearer " + token, "Authorization:"]),
            ("malformed", ["Authorization: Bearer " + token + "\u00e9"]),
            ("malformed", ["Authorization: Bearer \u00ff\u00fe", "Cookie: " + cookie]),
            ("malformed", ["Authorization: Bearer\u00a0" + token]),
            // A WSGI server makes one of two lines, with a comma between; the second cookie is then no more than what a browser keeps in a value.
            (door == "wsgi" ? user : "malformed", ["Cookie: " + cookie, "Cookie: " + other]),
            ("malformed", ["Cookie: " + cookie + "; " + other]),
            ("malformed", ["Cookie: session=\u00ff\u00fe"]),
            ("malformed", ["Cookie: session=" + Convert.ToBase64String([0xff, 0xfe])]),
        ];
        List<string> wrong = [];
        foreach (var (says, headers) in expected)
        {
            var said = await AskAsync(peer.Client.BaseAddress!.Port, headers);
            if (said != says) wrong.Add($"{string.Join(" | ", headers)}: {said} instead of {says}");
        }

        Assert.Equal([], wrong);
    }

    private static string CookieOf(string token) => "session=" + Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{token}}"}"""));

    // Byte for byte: no client of ours would send the half of it.
    private static async Task<string> AskAsync(int port, string[] headers)
    {
        using var line = new TcpClient();
        await line.ConnectAsync("127.0.0.1", port);
        await using var stream = line.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(string.Concat(headers.Prepend("GET / HTTP/1.1").Append("Connection: close").Append("").Select(h => h + "\r\n"))));
        using var answer = new StreamReader(stream, Encoding.Latin1);
        return (await answer.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(10))).Split("\r\n\r\n")[^1];
    }
}
