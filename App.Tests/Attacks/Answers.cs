using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace App.Tests.Attacks;

/// <summary>What is true of each answer to hostile input, said once.</summary>
internal static class Answers
{
    /// <summary>A problem (RFC 9457) with exactly these faults, written <c>message / field</c>, in this order.</summary>
    public static async Task<JsonElement> AssertProblemAsync(HttpResponseMessage answer, int status, params string[] faults)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True((HttpStatusCode)status == answer.StatusCode, $"expected {status}, got {(int)answer.StatusCode}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        if (status == 401) Assert.NotEmpty(answer.Headers.WwwAuthenticate); // RFC 9110 section 15.5.2
        var problem = JsonDocument.Parse(text).RootElement;
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        var found = Faults(problem);
        Assert.NotEmpty(found);
        if (faults.Length > 0) Assert.Equal(faults, found);
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
        return problem;
    }

    public static string[] Faults(JsonElement problem) => [.. problem.GetProperty("errors").EnumerateArray().Select(e =>
    {
        Assert.All(e.EnumerateObject(), m => Assert.True(m.Name is "message" or "field", m.Name));
        Assert.NotEqual("", e.GetProperty("message").GetString());
        return e.TryGetProperty("field", out var field) ? $"{e.GetProperty("message").GetString()} / {field.GetString()}" : e.GetProperty("message").GetString()!;
    })];

    public static Task<HttpResponseMessage> PostTextAsync(this TestApp app, string path, string? body, string? type = "application/json", params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            if (type is not null) request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        }

        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return app.Client.SendAsync(request);
    }

    public static async Task<JsonElement> JsonAsync(HttpResponseMessage answer) => await answer.Content.ReadFromJsonAsync<JsonElement>();

    public static string[] CookieLines(HttpResponseMessage answer) => answer.Headers.TryGetValues("Set-Cookie", out var lines) ? [.. lines] : [];
}
