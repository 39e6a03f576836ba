using System.Net;
using System.Text.RegularExpressions;
using App.E2E.Harness;
using Microsoft.Playwright;

namespace App.E2E.Journeys;

/// <summary>Over a slow line a page comes piece by piece, and its scripts last. Whoever reads or aims meanwhile finds everything where it was.</summary>
[Collection(InBrowser.Name)]
public sealed partial class LateTests(Browser browser)
{
    [Fact]
    public async Task Nothing_moves_while_a_page_and_its_scripts_arrive()
    {
        using var line = new SlowLine(browser.Service);
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        await MovesAsync(page, line, 360, Pages.SignIn);
        await MovesAsync(page, line, 1440, Pages.Home, Pages.SignIn, Pages.SignUp);
        await page.SignUpAsync(Person.New()); // the cookies are good for every port
        await MovesAsync(page, line, 768, "/account/security", "/account/profile");
    }

    [Fact]
    public async Task A_question_that_was_asked_before_the_script_came_is_answered_after_it()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var late = new TaskCompletionSource();
        await page.RouteAsync("**/gatehouse*.js", async route =>
        {
            await late.Task;
            await route.ContinueAsync();
        });
        await page.GotoAsync("/dev/ui", new() { WaitUntil = WaitUntilState.Commit });
        var asks = page.Locator("[popovertarget=example]").First;
        await asks.ClickAsync();
        await Assertions.Expect(page.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();

        late.SetResult();
        await page.WaitForLoadStateAsync(); // which waits for it
        await page.Locator("#example [popovertargetaction=hide]").ClickAsync();
        await Assertions.Expect(page.GetByRole(AriaRole.Dialog)).ToBeHiddenAsync();
        await asks.ClickAsync();
        await Assertions.Expect(page.Locator("#example:modal")).ToBeVisibleAsync();
    }

    private static async Task MovesAsync(IPage page, SlowLine line, int width, params string[] paths)
    {
        await page.SetViewportSizeAsync(width, 900);
        foreach (var path in paths)
        {
            using var watch = new PageWatch(page);
            await watch.BeginAsync();
            await page.GotoAsync(line.Address + path, new() { WaitUntil = WaitUntilState.NetworkIdle });
            Assert.True(await watch.LayoutShiftAsync() == 0, $"{path} at {width} px: {string.Join(", ", await watch.MovedAsync())}");
        }
    }

    private sealed partial class SlowLine : IDisposable
    {
        // A frame of the browser's, and a little more: each piece is drawn by itself.
        private static readonly TimeSpan Gap = TimeSpan.FromMilliseconds(20);
        private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(200);
        private readonly HttpListener _listener = new();
        private readonly HttpClient _service;

        public SlowLine(Service service)
        {
            _service = service.Client;
            Address = $"http://localhost:{TestRun.FreePort()}";
            _listener.Prefixes.Add(Address + "/");
            _listener.Start();
            _ = ServeAsync();
        }

        public string Address { get; }

        public void Dispose() => ((IDisposable)_listener).Dispose();

        private async Task ServeAsync()
        {
            try
            {
                while (true) _ = AnswerAsync(await _listener.GetContextAsync());
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                // The test is over.
            }
        }

        private async Task AnswerAsync(HttpListenerContext context)
        {
            var path = context.Request.RawUrl!;
            using var request = new HttpRequestMessage(new HttpMethod(context.Request.HttpMethod), path);
            if (context.Request.Headers["Cookie"] is { } cookies) request.Headers.TryAddWithoutValidation("Cookie", cookies);
            using var answer = await _service.SendAsync(request);
            var body = await answer.Content.ReadAsByteArrayAsync();
            var type = answer.Content.Headers.ContentType?.ToString() ?? "";
            (context.Response.StatusCode, context.Response.ContentType, context.Response.SendChunked) = ((int)answer.StatusCode, type, true);
            if (path.Contains(".js", StringComparison.Ordinal)) await Task.Delay(Late);
            if (!type.StartsWith("text/html", StringComparison.Ordinal)) await context.Response.OutputStream.WriteAsync(body);
            else await DripAsync(context.Response.OutputStream, System.Text.Encoding.UTF8.GetString(body));
            context.Response.Close();
        }

        private static async Task DripAsync(Stream stream, string page)
        {
            foreach (var piece in ElementEnd().Split(page))
            {
                await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(piece));
                await stream.FlushAsync();
                await Task.Delay(Gap);
            }
        }

        [GeneratedRegex("(?<=</(?!title|script)[a-z0-9]+>)")]
        private static partial Regex ElementEnd();
    }
}
