using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace App.Tests.Accounts;

/// <summary>The account pages as a browser without script meets them.</summary>
internal static class PageForms
{
    public static Task<HttpResponseMessage> SignInAsync(this TestApp app, string email, string password, string query = "", string? cookies = null) =>
        app.PostFormAsync("/account/sign-in" + query, "sign-in", [new("email", email), new("password", password)], cookies);

    public static Task<HttpResponseMessage> SignUpAsync(this TestApp app, string email, string password, string name = "", string query = "") =>
        app.PostFormAsync("/account/sign-up" + query, "sign-up", [new("email", email), new("password", password), new("name", name)]);

    public static async Task<IDocument> PageAsync(this HttpResponseMessage answer)
    {
        var html = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotMatch(new Regex(" style=|<style|<base|javascript:"), html);
        return new HtmlParser().ParseDocument(html);
    }

    /// <summary>The page that a form's answer leads to, fetched as its browser does: with the cookies that it had, and those of the answer.</summary>
    public static async Task<IDocument> FollowAsync(this TestApp app, HttpResponseMessage answer, string cookies = "")
    {
        var given = answer.Headers.TryGetValues("Set-Cookie", out var lines) ? lines.Select(line => line.Split(';')[0]) : [];
        return await (await app.SendAsync(HttpMethod.Get, answer.Location(), cookies: string.Join("; ", [cookies, .. given]))).PageAsync();
    }

    public static string Location(this HttpResponseMessage answer) => answer.Headers.Location!.OriginalString;

    /// <summary>Each sentence of the summary above the form.</summary>
    public static IEnumerable<string> Faults(this IDocument page) => page.QuerySelectorAll("#errors :is(a, span)").Select(e => e.TextContent);

    /// <summary>What can be pressed or filled in, outside its questions, as a screen reader names it: no two alike, and each begins with what others see.</summary>
    public static IReadOnlyList<string> Controls(this IElement part)
    {
        var all = part.QuerySelectorAll("button, summary, input:not([type=hidden])").Where(control => control.Closest("dialog") is null)
            .Select(control => (control.LocalName, Seen: control.TextContent.Trim(), Heard: control.GetAttribute("aria-label") ?? control.TextContent.Trim())).ToList();
        Assert.Equal(all.Count, all.DistinctBy(control => (control.LocalName, control.Heard)).Count());
        Assert.All(all, control => Assert.StartsWith(control.Seen, control.Heard, StringComparison.Ordinal));
        return [.. all.Select(control => control.Heard)];
    }

    public static string? Value(this IDocument page, string field) => page.QuerySelector($"input[name={field}]")!.GetAttribute("value");
}
