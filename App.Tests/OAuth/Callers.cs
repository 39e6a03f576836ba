using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace App.Tests.OAuth;

/// <summary>Two services that the settings declare, and how they call.</summary>
internal static class Callers
{
    public const string Secret = "orders-secret-of-at-least-32-characters";
    public const string Other = "billing-secret-of-at-least-32-characters";

    public static readonly (string, string?)[] Settings =
    [
        ("Services:0:Id", "orders"), ("Services:0:Name", "Orders"), ("Services:0:Secret", Secret), ("Services:0:Scopes:0", "stock.read"),
        ("Services:1:Id", "billing"), ("Services:1:Secret", Other), ("Services:1:Audience", "https://billing.test"),
    ];

    public static TestApp Start() => TestApp.Start(Settings);

    public static string Basic(string id = "orders", string secret = Secret) =>
        "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Uri.EscapeDataString(id)}:{Uri.EscapeDataString(secret)}"));

    public static async Task<HttpResponseMessage> PostAsync(this TestApp app, string path, string? authorization, params (string Name, string Value)[] form)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new FormUrlEncodedContent(form.Select(f => KeyValuePair.Create(f.Name, f.Value))),
        };
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return await app.Client.SendAsync(request);
    }

    public static Task<HttpResponseMessage> IntrospectAsync(this TestApp app, string token, string? authorization = null) =>
        app.PostAsync("/connect/introspect", authorization ?? Basic(), ("token", token));

    public static async Task<bool> IsActiveAsync(this TestApp app, string token, string? authorization = null)
    {
        var text = await (await app.IntrospectAsync(token, authorization)).Content.ReadAsStringAsync();
        var active = JsonDocument.Parse(text).RootElement.GetProperty("active").GetBoolean();
        if (!active) Assert.Equal("""{"active":false}""", text);
        return active;
    }

    public static async Task<string> ServiceTokenAsync(this TestApp app, string? authorization = null, params (string, string)[] more)
    {
        var answer = await app.PostAsync("/connect/token", authorization ?? Basic(), [("grant_type", "client_credentials"), .. more]);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("access_token").GetString()!;
    }
}
