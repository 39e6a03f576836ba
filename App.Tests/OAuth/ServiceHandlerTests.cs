using System.Text;
using App.OAuth;
using App.Tests.Attacks;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.OAuth;

/// <summary>What a service proves once is remembered beside its connection, and for no longer than it is true. Over a real socket: the in-memory server has no connections.</summary>
public sealed class ServiceHandlerTests(OneApp one) : IClassFixture<OneApp>
{
    [Fact]
    public async Task On_one_connection_the_same_header_is_judged_anew_once_the_registry_has_changed()
    {
        await using var app = KestrelApp.Start(Callers.Settings);
        using var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1 }) { BaseAddress = app.Address };
        foreach (var (secret, status) in new[] { (Callers.Secret, 200), (Callers.Secret, 200), ("wrong", 401), (Callers.Secret, 200) })
            Assert.Equal(status, await AskAsync(client, secret));

        await using (var scope = app.Services.CreateAsyncScope())
        {
            var services = scope.ServiceProvider;
            ServiceDeclarations declared = [new() { Id = "orders", Secret = Callers.Secret + "2" }];
            await ActivatorUtilities.CreateInstance<DeclaredServices>(services, declared).ReconcileAsync(CancellationToken.None);
        }

        foreach (var (secret, status) in new[] { (Callers.Secret, 401), (Callers.Secret, 401), (Callers.Secret + "2", 200) })
            Assert.Equal(status, await AskAsync(client, secret));
    }

    [Theory]
    [InlineData("token=%s", true)]
    [InlineData("token_type_hint=access_token&token=%s", true)]
    [InlineData("&&token=%s&", true)]
    [InlineData("%%74oken=%s", true)]
    [InlineData("TOKEN=%s", true)]
    [InlineData("token=%s&token=%s", null)]
    [InlineData("token=+%s", false)]
    [InlineData("token%%00=%s", null)]
    [InlineData("token", false)]
    [InlineData("token=", false)]
    [InlineData("", null)]
    public async Task A_form_is_read_as_every_other_server_reads_it(string form, bool? active)
    {
        var user = await one.App.SignUpAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/introspect");
        request.Headers.TryAddWithoutValidation("Authorization", Callers.Basic(OneApp.Declared, OneApp.Secret));
        request.Content = new StringContent(form.Replace("%s", user.AccessToken, StringComparison.Ordinal).Replace("%%", "%", StringComparison.Ordinal), Encoding.ASCII);
        request.Content.Headers.ContentType = new("application/x-www-form-urlencoded");
        var answer = await one.App.Client.SendAsync(request);
        if (active is null) await Answers.AssertProblemAsync(answer, 400, "You must supply a token / token");
        else Assert.Equal(active, (await Answers.JsonAsync(answer)).GetProperty("active").GetBoolean());
    }

    [Fact] // ATTACKS 68; SES-17: a token that large is none of ours, and no more is said of it
    public async Task A_form_over_the_limit_is_413_but_for_introspection_to_which_it_is_no_good_token()
    {
        await using var app = KestrelApp.Start(Callers.Settings);
        foreach (var (path, status, said) in new[] { ("token", 413, "The request is too large"), ("revoke", 413, "The request is too large"), ("introspect", 200, """{"active":false}""") })
        {
            var answer = await app.SendRawAsync(
                $"POST /connect/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {Callers.Basic()}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1048576\r\n\r\ntoken={new string('a', 4096)}", until: "}");
            Assert.StartsWith($"HTTP/1.1 {status}", answer, StringComparison.Ordinal);
            Assert.Contains(said, answer, StringComparison.Ordinal);
        }
    }

    private static async Task<int> AskAsync(HttpClient client, string secret)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/introspect") { Content = new FormUrlEncodedContent([new("token", "none")]) };
        request.Headers.TryAddWithoutValidation("Authorization", Callers.Basic("orders", secret));
        using var answer = await client.SendAsync(request);
        return (int)answer.StatusCode;
    }
}
