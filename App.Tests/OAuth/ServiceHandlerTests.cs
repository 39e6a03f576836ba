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
    [InlineData("token=%s&token=%s", false)]
    [InlineData("token=+%s", false)]
    [InlineData("token%%00=%s", false)]
    [InlineData("token", false)]
    [InlineData("", false)]
    public async Task A_form_is_read_as_every_other_server_reads_it(string form, bool active)
    {
        var user = await one.App.SignUpAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/introspect");
        request.Headers.TryAddWithoutValidation("Authorization", Callers.Basic(OneApp.Declared, new string('s', 40)));
        request.Content = new StringContent(form.Replace("%s", user.AccessToken, StringComparison.Ordinal).Replace("%%", "%", StringComparison.Ordinal), Encoding.ASCII);
        request.Content.Headers.ContentType = new("application/x-www-form-urlencoded");
        var answer = await one.App.Client.SendAsync(request);
        Assert.Equal(active, (await Answers.JsonAsync(answer)).GetProperty("active").GetBoolean());
    }

    private static async Task<int> AskAsync(HttpClient client, string secret)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/introspect") { Content = new FormUrlEncodedContent([new("token", "none")]) };
        request.Headers.TryAddWithoutValidation("Authorization", Callers.Basic("orders", secret));
        using var answer = await client.SendAsync(request);
        return (int)answer.StatusCode;
    }
}
