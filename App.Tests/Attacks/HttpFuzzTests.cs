using System.Net;
using System.Net.Mail;
using System.Text;
using System.Text.Json;

namespace App.Tests.Attacks;

/// <summary>A hundred thousand requests that no honest client sends, through the whole pipeline: no server error, no success, nothing changed. The parsers alone: ParserFuzzTests.</summary>
public sealed class HttpFuzzTests : IAsyncLifetime
{
    private const int Bodies = 20_000, Credentials = 77_000, Pages = 3_000;
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task No_body_breaks_a_route_that_takes_one()
    {
        var user = await _app.SignUpAsync();
        var before = await StateAsync();
        var noise = new Noise(11);
        var good = JsonSerializer.Serialize(new { email = user.Email, password = "", name = "Ada", refresh_token = user.RefreshToken });
        await noise.EachAsync(Bodies, async () =>
        {
            var bytes = noise.Next(3) switch
            {
                0 => noise.Bytes(200),
                1 => Encoding.UTF8.GetBytes(noise.Wound(good)),
                _ => Encoding.UTF8.GetBytes(noise.Object(4)),
            };
            var request = new HttpRequestMessage(HttpMethod.Post, noise.Pick("/api/users/signup", "/api/users/signin", "/api/tokens", "/api/tokens/refresh", "/api/users/signout")) { Content = new ByteArrayContent(bytes) };
            request.Content.Headers.TryAddWithoutValidation("Content-Type", noise.Chance(8) ? Line(noise.Text(12)) : "application/json");
            using var answer = await _app.Client.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            if (answer.StatusCode == HttpStatusCode.Created && IsSignUp(bytes)) before = await StateAsync(); // once in a million a wound makes the token the password
            else Assert.True((int)answer.StatusCode is 200 or (>= 400 and < 500), $"{(int)answer.StatusCode} to {Convert.ToBase64String(bytes)}");
            if ((int)answer.StatusCode >= 400) Assert.NotEmpty(Answers.Faults(JsonDocument.Parse(text).RootElement));
        });

        // A wound may leave the refresh token whole: that renewal is the one thing that may have happened.
        Assert.Equal(before, await StateAsync());

        Task<string> StateAsync() => State.OfAsync(_app, "Sessions", "Audit", "sqlite_sequence");

        static bool IsSignUp(byte[] json) => JsonDocument.Parse(json).RootElement is var body
            && MailAddress.TryCreate(body.GetProperty("email").GetString(), out _) && body.GetProperty("password").GetString() is { Length: >= 15 and <= 128 };
    }

    [Fact]
    public async Task No_member_that_is_null_breaks_a_route()
    {
        var user = await _app.SignUpAsync();
        await _app.ScopedAsync<App.Admin.ChangeRole, object>(async change => await change.RunAsync(user.Email, "admin", true, CancellationToken.None));
        var bearer = "Bearer " + (await _app.SignInAsync(user)).AccessToken;
        var document = JsonDocument.Parse(await _app.Client.GetStringAsync("/openapi/v1.json")).RootElement;
        var asked = 0;
        foreach (var path in document.GetProperty("paths").EnumerateObject())
        {
            foreach (var operation in path.Value.EnumerateObject().Where(o => o.Value.TryGetProperty("requestBody", out _)))
            {
                if (!operation.Value.GetProperty("requestBody").GetProperty("content").TryGetProperty("application/json", out var media)) continue;
                var schema = media.GetProperty("schema");
                if (schema.TryGetProperty("$ref", out var reference)) schema = document.GetProperty("components").GetProperty("schemas").GetProperty(reference.GetString()!.Split('/')[^1]);
                if (!schema.TryGetProperty("properties", out var members)) continue;
                var names = members.EnumerateObject().Select(m => m.Name).ToList();
                // Each by itself beside others that are filled, all of them, and in lists.
                foreach (var none in names.Select(n => (Func<string, bool>)(other => other == n)).Append(_ => true))
                {
                    var body = $"{{{string.Join(',', names.Select(n => $"\"{n}\":{(none(n) ? "null" : IsList(members, n) ? "[null]" : "\"filled-in\"")}"))}}}";
                    var request = new HttpRequestMessage(new HttpMethod(operation.Name), path.Name.Replace("{id}", Guid.NewGuid().ToString(), StringComparison.Ordinal)) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
                    request.Headers.Add("Authorization", bearer);
                    using var answer = await _app.Client.SendAsync(request);
                    Assert.True((int)answer.StatusCode < 500, $"{(int)answer.StatusCode} to {operation.Name} {path.Name} {body}");
                    asked++;
                }
            }
        }

        Assert.True(asked > 50, $"{asked} requests");

        static bool IsList(JsonElement members, string name) => members.GetProperty(name).GetRawText().Contains("\"array\"", StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_credential_that_was_made_up_is_anybodys_and_none_breaks()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app);
        var noise = new Noise(12);
        string[] bearers = [user.AccessToken, .. Tokens.Vectors.Tokens().Select(v => v.Token).Where(t => t.Length < 3000)];
        string[] cookies = [user.SessionCookie, .. Tokens.Vectors.Cookies().Select(v => v.Header).Where(t => t.Length < 3000)];
        await noise.EachAsync(Credentials, async () =>
        {
            var bearer = noise.Chance(2) ? Line(noise.Wound(noise.Pick(bearers))) : null;
            var cookie = noise.Chance(2) ? Line(noise.Chance(2) ? noise.Wound("session=" + noise.Pick(cookies)) : "session=" + noise.Text(30)) : null;
            // Whatever a wound made of them, it isn't the genuine one.
            if (bearer == user.AccessToken || cookie?.Contains(user.SessionCookie, StringComparison.Ordinal) == true) return;

            // Straight to the server: a client library would refuse to send most of it.
            var context = await _app.Server.SendAsync(http =>
            {
                http.Request.Method = "GET";
                http.Request.Path = noise.Pick("/api/users/currentuser", "/api/users/currentuser", "/api/users/currentuser", "/api/sessions", "/account");
                if (bearer is not null) http.Request.Headers.Authorization = noise.Chance(10) ? bearer : "Bearer " + bearer;
                if (cookie is not null) http.Request.Headers.Cookie = cookie;
            });
            var status = context.Response.StatusCode;
            if (context.Request.Path == "/api/users/currentuser")
            {
                Assert.Equal(200, status);
                using var reader = new StreamReader(context.Response.Body);
                Assert.Equal("""{"currentUser":null}""", await reader.ReadToEndAsync());
            }
            else
            {
                Assert.True(status is 401 or 302, $"{status} to {bearer} and {cookie}");
            }
        });

        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Fact]
    public async Task No_form_path_or_query_breaks_a_page()
    {
        var noise = new Noise(13);
        string[] pages = ["/account/sign-in", "/account/sign-up", "/account/sign-out", "/ui/theme", "/ui/language", "/ui/who", "/ui/password-strength", "/", "/account", "/nowhere", "/error/404", "/_blazor/negotiate"];
        await noise.EachAsync(Pages, async () =>
        {
            var page = noise.Pick(pages);
            var query = "returnUrl=" + Escape(noise, noise.Text(20)) + (noise.Chance(3) ? "&" + noise.Text(10).Replace('#', '_') : "");
            var form = $"_handler={noise.Pick("sign-in", "sign-up", "sign-out", Escape(noise, noise.Text(6)))}&email={Escape(noise, noise.Text(12))}&name={Escape(noise, noise.Text(12))}&theme={noise.Pick("dark", "x")}&returnUrl={Escape(noise, noise.Text(8))}";
            var context = await _app.Server.SendAsync(http =>
            {
                http.Request.Method = noise.Chance(2) ? "POST" : "GET";
                http.Request.Scheme = "https";
                http.Request.Host = new("auth.test");
                http.Request.Path = new(page + (noise.Chance(10) ? "/" + Line(noise.Text(8)).Replace('?', '_') : ""));
                http.Request.QueryString = new("?" + Line(query));
                if (http.Request.Method != "POST") return;
                http.Request.ContentType = noise.Chance(15) ? Line(noise.Text(10)) : "application/x-www-form-urlencoded";
                http.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(form));
            });
            using var reader = new StreamReader(context.Response.Body);
            await reader.ReadToEndAsync();
            Assert.True(context.Response.StatusCode < 500, $"{context.Response.StatusCode} of {context.Request.Method} {context.Request.Path} {query} {form}");
            var location = context.Response.Headers.Location.ToString();
            if (location.Length > 0) Assert.Matches("^/(?![/\\\\])", location);
        });

        Assert.DoesNotContain(_app.Log.Lines, l => l.StartsWith("Error", StringComparison.Ordinal));
    }

    // What Kestrel would never let through is no case: line breaks and NUL in a header.
    private static string Line(string text) => text.Replace('\r', ' ').Replace('\n', ' ').Replace('\0', ' ');

    private static string Escape(Noise noise, string text) => noise.Chance(4)
        ? string.Concat(Encoding.UTF8.GetBytes(text).Select(b => $"%{b:x2}"))
        : string.Concat(text.Select(c => char.IsSurrogate(c) || c is '&' or '=' ? "_" : c.ToString()));
}
