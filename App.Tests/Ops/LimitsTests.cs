using System.Net;
using System.Net.Sockets;
using App.Ops;
using Microsoft.AspNetCore.Builder;

namespace App.Tests.Ops;

public class LimitsTests
{
    [Fact]
    public async Task Past_the_limit_an_address_waits_whichever_door_it_takes()
    {
        await using var host = await OpsHost.StartAsync(
            app =>
            {
                app.MapPost("/api/users/signin", () => 1).RequireRateLimiting(RateLimits.Credentials);
                app.MapMethods("/account/sign-in", ["GET", "POST"], () => 1).RequireRateLimiting(RateLimits.Credentials);
                app.MapGet("/api/free", () => 1);
            },
            settings: ["RateLimits:PerAddressPerMinute=5"]);

        for (var i = 0; i < 5; i++)
            Assert.Equal(HttpStatusCode.OK, (await host.SendAsync(HttpMethod.Post, i % 2 == 0 ? "/api/users/signin" : "/account/sign-in")).StatusCode);

        using var refused = await host.SendAsync(HttpMethod.Post, "/api/users/signin");
        await ErrorAnswersTests.AssertProblemAsync(refused, 429, "Too many attempts. Try again later.");
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);

        using var page = await host.SendAsync(HttpMethod.Post, "/account/sign-in");
        Assert.Equal(HttpStatusCode.TooManyRequests, page.StatusCode);
        Assert.Equal("text/html", page.Content.Headers.ContentType?.MediaType);

        Assert.Equal(HttpStatusCode.OK, (await host.SendAsync(HttpMethod.Get, "/account/sign-in")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await host.SendAsync(HttpMethod.Get, "/api/free")).StatusCode);
    }

    [Theory]
    [InlineData("203.0.113.7", "203.0.113.7")]
    [InlineData("::ffff:203.0.113.7", "203.0.113.7")]
    [InlineData("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    [InlineData("2001:db8:1:2:ffff::1", "2001:db8:1:2::")]
    public void An_ipv6_customer_is_one_however_many_addresses_there_are(string address, string network) =>
        Assert.Equal(IPAddress.Parse(network), RateLimits.Network(IPAddress.Parse(address)));

    [Fact]
    public async Task A_client_cannot_choose_its_address()
    {
        await using var host = await OpsHost.StartAsync(
            app => app.MapPost("/api/users/signin", () => 1).RequireRateLimiting(RateLimits.Credentials),
            settings: ["RateLimits:PerAddressPerMinute=1"]);

        Assert.Equal(HttpStatusCode.OK, (await host.SendAsync(HttpMethod.Post, "/api/users/signin", null, ("X-Forwarded-For", "192.0.2.1"))).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await host.SendAsync(HttpMethod.Post, "/api/users/signin", null, ("X-Forwarded-For", "192.0.2.2"))).StatusCode);
    }

    [Theory]
    [InlineData(16, HttpStatusCode.OK)]
    [InlineData(40, HttpStatusCode.RequestHeaderFieldsTooLarge)]
    public async Task Headers_end_at_32_KiB(int kilobytes, HttpStatusCode status)
    {
        await using var host = await OpsHost.StartAsync(app => app.MapGet("/api/free", () => 1));
        using var response = await host.SendAsync(HttpMethod.Get, "/api/free", null, ("Cookie", "session=" + new string('x', kilobytes * 1024)));

        Assert.Equal(status, response.StatusCode);
    }

    [Fact]
    public async Task What_Kestrel_cannot_read_is_no_server_error()
    {
        await using var host = await OpsHost.StartAsync();
        foreach (var rubbish in new[] { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET /%zz HTTP/9.9\r\n\r\n", "POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" })
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(host.Address.Host, host.Address.Port);
            await using var stream = socket.GetStream();
            await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(rubbish));
            using var reader = new StreamReader(stream);
            var status = await reader.ReadLineAsync();

            Assert.Matches("^HTTP/1.1 (400|404|505)", status);
        }
    }
}
