using System.Net;
using System.Net.Http.Json;
using App.Factors;
using App.Tests.Accounts;
using App.Tests.Attacks;

namespace App.Tests.Factors;

/// <summary>Somebody who has turned two-step sign-in on, with what their app and their drawer hold.</summary>
internal sealed record TwoStepUser(TestApp App, TestUser User, byte[] Secret, IReadOnlyList<string> Codes)
{
    /// <summary>What the app shows now. Each call moves the clock on by a step: a code is good once.</summary>
    public string NextCode()
    {
        App.Time.Advance(TimeSpan.FromSeconds(30));
        return Code();
    }

    public string Code(int steps = 0) => Totp.Code(Secret, Totp.StepAt(App.Time.GetUtcNow()) + steps);

    public async Task<string> ChallengeAsync(TestApp? at = null) =>
        (await Answers.AssertProblemAsync(await PostAsync(at, "/api/users/signin", new { email = User.Email, password = User.Password }), 401)).GetProperty("challenge").GetString()!;

    public Task<HttpResponseMessage> AnswerAsync(string challenge, string code, TestApp? at = null) => PostAsync(at, "/api/users/signin/mfa", new { challenge, code });

    public Task<HttpResponseMessage> ActAsync(string act, string? cookies = null) =>
        App.PostFormAsync("/account/two-step", "two-step", [new("act", act)], cookies ?? User.Cookies);

    private Task<HttpResponseMessage> PostAsync(TestApp? at, string path, object body) => (at ?? App).Client.PostAsJsonAsync(path, body);
}

internal static class TwoStepForms
{
    // What tests type for a wrong code.
    private static readonly string[] Wrong = [.. Enumerable.Range(0, 10).Select(i => $"00000{i}"), .. Enumerable.Range(0, 5).Select(i => $"10000{i}")];

    public static async Task<TwoStepUser> TurnOnTwoStepAsync(this TestApp app, TestUser user)
    {
        var (handle, secret) = await app.BeginTwoStepAsync(user);
        using var answer = await app.EnableTwoStepAsync(user, handle, Totp.Code(secret, Totp.StepAt(app.Time.GetUtcNow())));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var codes = (await answer.PageAsync()).QuerySelectorAll(".codes code").Select(c => c.TextContent).ToList();
        Assert.Equal(10, codes.Distinct().Count());
        return new TwoStepUser(app, user, secret, codes);
    }

    /// <summary>With a key that for the next hours makes none of the codes right that tests take for wrong: of any key, one of them may be.</summary>
    public static async Task<(string Handle, byte[] Secret)> BeginTwoStepAsync(this TestApp app, TestUser user)
    {
        (string Handle, byte[] Secret) begun;
        do begun = await BeginOnceAsync(app, user);
        while (Enumerable.Range(-1, 500).Any(step => Wrong.Contains(Totp.Code(begun.Secret, Totp.StepAt(app.Time.GetUtcNow()) + step))));
        return begun;
    }

    private static async Task<(string Handle, byte[] Secret)> BeginOnceAsync(TestApp app, TestUser user)
    {
        using var answer = await app.PostFormAsync("/account/two-step", "two-step", [new("act", "begin")], user.Cookies);
        var page = await answer.PageAsync();
        Assert.NotNull(page.QuerySelector("svg.qr path.ink"));
        return (page.QuerySelector("input[name=setup]")!.GetAttribute("value")!, FromBase32(page.QuerySelector(".key")!.TextContent));
    }

    public static Task<HttpResponseMessage> EnableTwoStepAsync(this TestApp app, TestUser user, string handle, string code) =>
        app.PostFormAsync("/account/two-step", "two-step", [new("act", "enable"), new("setup", handle), new("code", code)], user.Cookies);

    /// <summary>As an app reads what is typed: RFC 4648 section 6, spaces ignored.</summary>
    private static byte[] FromBase32(string text)
    {
        var bytes = new List<byte>();
        var (bits, held) = (0, 0);
        foreach (var c in text.Where(char.IsLetterOrDigit))
        {
            (bits, held) = ((bits << 5) | "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".IndexOf(c, StringComparison.Ordinal), held + 5);
            if (held < 8) continue;
            held -= 8;
            bytes.Add((byte)(bits >> held));
            bits &= (1 << held) - 1;
        }

        return [.. bytes];
    }
}
