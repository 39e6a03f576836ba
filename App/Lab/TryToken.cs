using System.Net.Sockets;
using System.Text;
using App.Sessions;
using App.Strategies;

namespace App.Lab;

/// <summary>Where in a request the token stands.</summary>
internal enum Carriage { Header, Cookie, Form }

/// <summary>A request and its answer, byte for byte but for the token, of which only the ends are shown.</summary>
internal sealed record Exchange(Strategy Strategy, Carriage Carriage, string Request, string Answer)
{
    public int Status => int.Parse(Answer.Split(' ', 3)[1], System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The fourth experiment: one request with the token in the header, the cookie or the form (RFC 6750 section 2), as it goes over the wire.</summary>
internal sealed class TryToken(LabTurn turn, CookieNames cookies)
{
    private const int Shown = 10;

    public Task<LabOutcome> TryAsync(CurrentUser user, Strategy strategy, Carriage carriage, Action<Exchange> show, CancellationToken ct) => turn.RunAsync(user, async (visit, stop) =>
    {
        var stand = visit.Stands.Single(s => s.Strategy == strategy);
        var secret = carriage == Carriage.Cookie ? Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{visit.Token}}"}""")) : visit.Token;
        var request = Write(carriage, stand.Address, secret);
        var answer = await SendAsync(stand.Address, request, stop);
        var shortened = $"{secret[..Shown]}…[{secret.Length - (2 * Shown)}]…{secret[^Shown..]}";
        show(new Exchange(strategy, carriage, request.Replace(secret, shortened, StringComparison.Ordinal), answer.Replace(secret, shortened, StringComparison.Ordinal)));
    }, ct);

    private string Write(Carriage carriage, Uri to, string secret)
    {
        List<string> lines = [carriage == Carriage.Form ? "POST / HTTP/1.1" : "GET / HTTP/1.1", "Host: " + to.Authority, "Connection: close"];
        var body = carriage == Carriage.Form ? "access_token=" + secret : "";
        lines.AddRange(carriage switch
        {
            Carriage.Header => ["Authorization: Bearer " + secret],
            Carriage.Cookie => [$"Cookie: {cookies.Session}={secret}"],
            _ => ["Content-Type: application/x-www-form-urlencoded", $"Content-Length: {body.Length}"],
        });
        return string.Join("\r\n", [.. lines, "", body]);
    }

    private static async Task<string> SendAsync(Uri to, string request, CancellationToken ct)
    {
        try
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(to.Host, to.Port, ct);
            await using var stream = socket.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes(request), ct);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return await reader.ReadToEndAsync(ct);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            throw new HttpRequestException(e.Message, e);
        }
    }
}
