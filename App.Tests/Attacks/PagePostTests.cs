using System.Net;

namespace App.Tests.Attacks;

/// <summary>Every page, posted to with what no form of ours sends. ATTACKS 61, 77, 80: a refusal, never a server error.</summary>
public sealed class PagePostTests(OneApp fixture) : IClassFixture<OneApp>
{
    private readonly TestApp _app = fixture.App;

    public static TheoryData<string?, string?> Bodies => new()
    {
        { null, null },
        { "", "application/x-www-form-urlencoded" },
        { "a=b", "application/x-www-form-urlencoded" },
        { "_handler=nothing", "application/x-www-form-urlencoded" },
        { "_handler=sign-in&_handler=sign-up&email=a&email=b", "application/x-www-form-urlencoded" },
        { "_handler=sign-in&email=%ef%bf%be%40x.test&password=%ef%bf%be", "application/x-www-form-urlencoded" },
        { "_handler=sign-up&email=%00&password=%zz&name=%ed%a0%80", "application/x-www-form-urlencoded" },
        { "_handler=sign-up&email=a%40x.test&password=correct+horse+battery+staple&name=%ef%bf%be", "application/x-www-form-urlencoded" },
        { "_handler=sign-in&email[0]=a&email[x]=b&password[]=c", "application/x-www-form-urlencoded" },
        { "_handler=[x]sign-in&email=a", "application/x-www-form-urlencoded" },
        { "&&&===&;", "application/x-www-form-urlencoded" },
        { "{}", "application/json" },
        { "x", "text/plain" },
        { "--b\r\n", "multipart/form-data; boundary=b" },
        { "x", "multipart/form-data" },
        { "x", "multipart/form-data; boundary=" },
        { "--b\r\nContent-Disposition: form-data; name=\"_handler\"; filename=\"x\"\r\n\r\nsign-in\r\n--b--\r\n", "multipart/form-data; boundary=b" },
        { "x", "nonsense" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_page_refuses_what_no_form_sends(string? body, string? type)
    {
        var user = await _app.SignUpAsync();
        var wrong = new List<string>();
        foreach (var path in new[]
        {
            "/", "/account", "/account/sign-in", "/account/sign-up", "/account/sign-out", "/account/sessions", "/account/sessions/end", "/account/sessions/end-others",
            "/services", "/services/new", "/services/orders", "/services/orders/connect", "/tools/token", "/admin/users", "/admin/users/orders", "/admin/audit", "/admin/events", "/admin/keys", "/admin/drill",
            "/ui/theme", "/ui/language", "/ui/who", "/ui/password-strength", "/dev/ui", "/error/404", "/error/999", "/nowhere", "/docs", "/gatehouse.css", "/_blazor", "/_blazor/negotiate", "/_blazor/disconnect", "/_blazor/initializers", "/_framework/blazor.web.js",
        })
        {
            foreach (var cookies in new[] { null, user.Cookies })
            {
                using var answer = cookies is null
                    ? await _app.PostTextAsync(path, body, type, ("Sec-Fetch-Site", "same-origin"))
                    : await _app.PostTextAsync(path, body, type, ("Sec-Fetch-Site", "same-origin"), ("Cookie", cookies));
                if ((int)answer.StatusCode >= 500) wrong.Add($"{path}{(cookies is null ? "" : " signed in")}: {(int)answer.StatusCode}");
            }
        }

        Assert.Empty(wrong);
    }

    [Theory] // ATTACKS 80
    [InlineData("PUT")]
    [InlineData("PATCH")]
    [InlineData("DELETE")]
    [InlineData("OPTIONS")]
    [InlineData("TRACE")]
    [InlineData("PROPFIND")]
    public async Task A_page_knows_two_methods(string method)
    {
        foreach (var path in new[] { "/", "/account", "/account/sign-in", "/account/sign-out", "/nowhere", "/gatehouse.css", "/health/live" })
        {
            using var answer = await _app.SendAsync(new HttpMethod(method), path);
            Assert.True(answer.StatusCode == HttpStatusCode.NotFound || (answer.StatusCode == HttpStatusCode.MethodNotAllowed && answer.Content.Headers.Allow.Count > 0), $"{path}: {(int)answer.StatusCode}, allowed {answer.Content.Headers.Allow.Count}");
        }
    }

    [Theory]
    [InlineData("/nowhere")]
    [InlineData("/account/nothing")]
    [InlineData("/a/b/c")]
    [InlineData("/x.y")]
    [InlineData("/error/nonsense")]
    public async Task An_unknown_page_is_a_page_that_says_so(string path)
    {
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Post })
        {
            using var answer = await _app.SendAsync(method, path);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
            Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);
            Assert.Contains("There is no page here", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }
}
